public import VaultCore

/// Carries checkpoints to witnesses: each request once, no redirects, a bounded reply. `ProviderHTTP` has one
/// over the network; without one, a vault's witnesses are not asked.
public protocol WitnessTransport: Sendable {
    /// Refuses what no checkpoint is sent to: anything but `https`, or `http` to this machine, with a host and a path only.
    ///
    /// - Throws: ``VaultError/Code/invalidInput``.
    func check(_ url: String) throws(VaultError)

    /// Posts `body`.
    ///
    /// - Parameter limit: until the last octet of the reply.
    func post(
        _ body: [UInt8], to url: String, within limit: Duration
    ) async throws(WitnessTransportFailure) -> WitnessReply
}

/// What a witness answered, whole.
public struct WitnessReply: Sendable {
    public var status: Int
    /// At most ``Limits/witnessReplyBytes``.
    public var body: [UInt8]

    public init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

/// Why there is no answer; the word that operators read.
public enum WitnessTransportFailure: String, Error, Sendable {
    /// Nobody is there, or the connection was lost.
    case unreachable
    /// Whoever is there is not who the URL names.
    case tls
    /// No whole answer in time.
    case hung
    /// Too much, too little, or no HTTP.
    case garbled
}
