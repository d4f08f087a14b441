import VaultCore
import VaultStore

extension Vault {
    /// A client as this process read it last, which costs no query: for ``withRecentClient(_:_:)``.
    package func recentClient(identifiedBy clientID: String) -> Client? {
        registry.recentClient(identifiedBy: clientID)
    }

    /// Does `work` for a client as this process read it last.
    ///
    /// - Parameters:
    ///   - recent: nil when that does not pass for the client who asks.
    ///   - work: done once more, with nil, where another process has changed the registry since or the client would be
    ///     refused something: the client is to be read from the database then.
    package func withRecentClient<Recent, Result>(
        _ recent: Recent?, _ work: (Recent?) async throws -> Result
    ) async throws -> Result {
        if let recent {
            do { return try await work(recent) } catch is Overtaken {}
        }
        return try await work(nil)
    }
}

extension Client {
    /// Nothing is refused to a client on the word of memory.
    ///
    /// - Throws: what ``Vault/withRecentClient(_:_:)`` catches, where this was not read from the database.
    package func requireReading() throws {
        guard revision == nil else { throw Overtaken() }
    }
}

extension Audited {
    /// Adds that the client authenticated with a secret that is about to end, of which generation.
    func noting(supersededSecret generation: UInt32?, of actor: AuditActor, _ requestID: String?) -> Audited {
        guard let generation, let first = events.first else { return self }
        var event = AuditEvent(
            .clientAuthentication, by: actor, reason: "superseded_secret", generation: generation,
            requestID: requestID)
        event.isLimited = true
        return Audited(result, first, events.dropFirst() + [event])
    }
}

extension WriteTransaction {
    /// Deletes a few expired rows of a table of upkeep whenever a row is added.
    package func purge(_ table: StaticString) {
        guard clocksAgree else { return }
        put(
            RowWrite(
                "DELETE FROM \(table) WHERE id IN (SELECT id FROM \(table) WHERE expires_at < ? LIMIT ?)",
                [SQLValue(now), .integer(Int64(Limits.purgedRowsPerWrite))]))
    }
}
