import VaultCore

extension Vault {
    /// Writes an entry that changes nothing into the log, at a bounded rate: what others cause at will is counted where
    /// it comes too fast.
    package func record(_ event: AuditEvent) async throws {
        var event = event
        let origin = event.refusalOrigin ?? .anybody
        event.refusalOrigin = origin
        guard refusals.hasRoom(origin, at: clock.monotonic()) else { return }
        try await write(.finishing) { [event] _ in Audited((), event) }
    }

    /// The actor of what nobody known did.
    package func unknownActor(through channel: AuditChannel) -> AuditActor {
        AuditActor(operatorActor.pseudonym, channel)
    }
}
