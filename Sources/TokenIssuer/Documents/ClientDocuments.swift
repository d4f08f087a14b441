public import Logging
package import VaultCore

/// What clients publish about themselves, fetched when it is needed and kept for a while: key sets (`jwks_uri`), and their
/// metadata where the `client_id` says so.
///
/// ```swift
/// let documents = ClientDocuments(FetcherProcess(logger: logger), logger: logger)
/// let issuer = TokenIssuer(vault: vault, issuer: "https://id.example", documents: documents)
/// ```
public final class ClientDocuments: Sendable {
    private let keys: RecentDocuments<String>
    private let clients: RecentDocuments<[UInt8]>
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
        // 16 MiB in two parts, where each is as long as it may be.
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
        // 10 MiB, in two parts.
        clients = RecentDocuments(capacity: 1024, fetcher, clock) { request, problem in
            // The page does not tell all of it: names and addresses inside are not a stranger's to learn.
            logger.info(
                "The metadata of a client cannot be read.",
                metadata: ["url": "\(request.url.text)", "problem": "\(problem)"])
        } parse: { bytes, request throws(DocumentProblem) in
            try Self.check(bytes, at: request.url)
            return bytes
        }
    }

    /// The key set at a `jwks_uri`; nil where it cannot be had.
    ///
    /// - Parameters:
    ///   - isStale: the one that was read last lacks a key.
    ///   - isOperators: an operator registered it, and so it may lie inside.
    /// - Throws: ``DocumentProblem`` where another try may succeed.
    func keySet(at uri: String, isOperators: Bool, isStale: Bool) async throws(DocumentProblem) -> String? {
        guard let url = DocumentURL(uri) else { return nil }
        let request = DocumentRequest(
            url, .keys, mayBeInside: isOperators && innerHosts.contains(url.host), isKnown: isOperators)
        do throws(DocumentProblem) { return try await keys.value(of: request, isStale: isStale).get() } catch
        {
            if error.isPassing { throw error }
            return nil
        }
    }

    /// What lies at a `client_id`: a JSON object about the client of that name, without a secret.
    ///
    /// - Parameter isKnown: a user has allowed the client.
    func metadata(at url: DocumentURL, isKnown: Bool) async -> Result<[UInt8], DocumentProblem> {
        await clients.value(of: DocumentRequest(url, .client, isKnown: isKnown))
    }

    private static func check(_ bytes: [UInt8], at url: DocumentURL) throws(DocumentProblem) {
        guard let object = JSONReader.read(bytes, isStrict: true), object.isObject else {
            throw .content("The application's metadata are not a JSON object that has each member once.")
        }
        guard object["client_id"]?.string?.utf8.elementsEqual(url.text.utf8) == true else {
            throw .content("client_id of the application's metadata is not the address they lie at.")
        }
        guard object["client_secret"] == nil, object["client_secret_expires_at"] == nil else {
            throw .content("The application's metadata hold a client_secret, which everybody can read.")
        }
    }
}
