import VaultCore

extension Vault {
    /// Writes that a client sent a token request by GET, at a bounded rate; the rest is counted.
    ///
    /// - Parameter client: authenticated, or public: then anybody may have said its name.
    package func recordLegacyGet(by client: Client, channel: AuditChannel, requestID: String?) async throws {
        guard refusals.hasRoom(.anybody, at: clock.monotonic()) else { return }
        var event = AuditEvent(.tokenRequest, by: AuditActor(client.pseudonym, channel))
        event.reason = "legacy_get"
        event.requestID = requestID
        event.refusalOrigin = .anybody
        try await write(.finishing) { [event] _ in Audited((), event) }
    }
}
