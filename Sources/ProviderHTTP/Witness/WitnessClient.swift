import TokenKeeper
import TokenVault
public import VaultAudit
public import VaultCore

/// Carries checkpoints to witnesses over the network, by the rules that providers are called by: TLS verified, no
/// redirects, no second attempt, no proxy, a connection for each request.
///
/// ```swift
/// var configuration = VaultConfiguration()
/// configuration.anchors = LogAnchors(witnesses: WitnessClient())
/// ```
public struct WitnessClient: WitnessTransport {
    private let configuration: ConnectionConfiguration

    public init(configuration: ConnectionConfiguration = ConnectionConfiguration()) {
        self.configuration = configuration
    }

    public func check(_ url: String) throws(VaultError) {
        guard ProviderAddress(url) != nil, !url.contains("?") else {
            throw VaultError(
                .invalidInput, "No checkpoint is sent to this URL.",
                remedy:
                    "Give an https URL, or http to this machine, without user, query and fragment: https://witness.example/w1"
            )
        }
    }

    public func post(
        _ body: [UInt8], to url: String, within limit: Duration
    ) async throws(WitnessTransportFailure) -> WitnessReply {
        var configuration = configuration
        configuration.connectTimeout = min(configuration.connectTimeout, limit)
        // Authorities that cannot be read leave nobody to be believed.
        guard
            let transport = try? AsyncHTTPTransport(
                configuration: configuration, replyBytes: Limits.witnessReplyBytes, sleep: Deadline.sleep)
        else { throw .tls }
        let result: Result<ProviderReply, TransportFailure>
        do throws(TransportFailure) {
            let request = ProviderRequest(
                .witness, .post, url,
                headers: [("content-type", SecretBytes(copying: "text/plain; charset=utf-8"))],
                body: SecretBytes(body), timeout: limit)
            result = .success(try await transport.send(request))
        } catch { result = .failure(error) }
        await transport.shutdown()
        switch result {
        case .success(let reply):
            return WitnessReply(status: reply.status, body: reply.body.withExposed { Array($0) })
        case .failure(let failure): throw WitnessTransportFailure(failure.cause)
        }
    }
}

extension WitnessTransportFailure {
    fileprivate init(_ cause: TransportFailure.Cause) {
        self =
            switch cause {
            case .invalidURL, .nameLookup, .connect, .reset, .shutdown: .unreachable
            case .tls: .tls
            case .timeout: .hung
            case .truncated, .tooLarge, .other: .garbled
            }
    }
}
