public import Logging
package import TokenVault
package import VaultCore

/// What clients publish about themselves, fetched when it is needed and kept for a while: key sets (`jwks_uri`).
///
/// ```swift
/// let documents = ClientDocuments(FetcherProcess(logger: logger), logger: logger)
/// let issuer = TokenIssuer(vault: vault, issuer: "https://id.example", documents: documents)
/// ```
public final class ClientDocuments: Sendable {
    private let keys: RecentDocuments<String>
    private let innerHosts: Set<String>

    /// - Parameters:
    ///   - logger: told of key sets that cannot be read.
    ///   - innerHosts: hosts of a private network that the `jwks_uri` of a client may name, if an operator registered it.
    public convenience init(
        _ fetcher: any DocumentFetching, logger: Logger, innerHosts: Set<String> = []
    ) {
        self.init(fetcher, logger: logger, innerHosts: innerHosts, clock: SystemClock())
    }

    package init(
        _ fetcher: any DocumentFetching, logger: Logger, innerHosts: Set<String>, clock: any VaultClock
    ) {
        self.innerHosts = innerHosts
        // 8 MiB where each is as long as it may be.
        keys = RecentDocuments(capacity: 128, fetcher, clock) { request, problem in
            logger.warning(
                "The key set of a client cannot be read.",
                metadata: ["url": "\(request.url.text)", "problem": "\(problem)"])
        } parse: { bytes, _ throws(DocumentProblem) in
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw .content("The key set is not UTF-8.")
            }
            guard JSONReader.read(bytes, isStrict: true)?["keys"]?.array != nil else {
                throw .content("The key set is not a JSON object with an array 'keys'.")
            }
            return text
        }
    }

    /// The key set of a client that an operator registered.
    ///
    /// - Parameter isStale: the one that was read last lacks a key.
    package func keySet(of client: Client, isStale: Bool = false) async -> Result<String, DocumentProblem>? {
        guard let url = client.registration.keySetURI.flatMap(DocumentURL.init) else { return nil }
        let request = DocumentRequest(url, .keys, mayBeInside: innerHosts.contains(url.host))
        return await keys.value(of: request, isStale: isStale)
    }
}
