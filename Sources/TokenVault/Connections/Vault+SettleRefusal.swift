import VaultCore

/// What a refusal does to a connection and to its provider.
///
/// | refusal | connection | provider |
/// |---|---|---|
/// | the token is dead | needs consent | – |
/// | our client, by name | noted; the second time it backs off | stopped, where this is news |
/// | our client or this token | backs off | stopped, once that many different connections say so |
/// | anything else | backs off | – |
/// | our client, in answer to a probe | noted | stays stopped |
extension WriteTransaction {
    /// - Returns: a further entry, of a provider that is stopped.
    func settle(
        _ refusal: RefusedRefresh, in row: inout ConnectionRow, _ held: inout HeldConnection, _ owner: Owner,
        dueAt: VaultInstant?, _ event: inout AuditEvent
    ) throws -> AuditEvent? {
        event.outcome = .refused
        var details = held.details
        guard refusal.meaning != .needsConsent else {
            event.reason = LeafReason.lost(refusal.reason, from: row.state)
            row.attempt = nil
            row.note(refusal.reason, isLast: true)
            details.count(refusal, isWitness: false, at: now)
            try row.keep(details, in: &held, owner, keyring)
            return nil
        }
        row.forgetLastSend()
        let isOfClient = refusal.meaning != .request
        if isOfClient, try isProbe(row.provider, refusal) {
            // It says nothing of this connection, which is to be tried at once when the provider is called again.
            event.reason = LeafReason.again(refusal.reason)
            if row.state.isRefreshed { (row.reason, row.dueAt) = (refusal.reason, dueAt) }
            return nil
        }
        let last = details.refusal.flatMap { $0.revision == refusal.revision ? $0 : nil }
        // A connection that was refused so before, while the provider was called, says nothing new by being refused again.
        let isWitness = isOfClient && last?.isWitness != true
        details.count(refusal, isWitness: isOfClient, at: now)
        try row.keep(details, in: &held, owner, keyring)
        event.reason =
            last == nil || row.state == .needsConsent ? refusal.reason : LeafReason.again(refusal.reason)
        let stop = isWitness ? try doubtProvider(row.provider, refusal, by: row.id, event.actor) : nil
        row.note(refusal.reason, dueAt: dueAt)
        // The provider's fault, not the connection's: it is tried at once when that is over.
        if stop != nil, refusal.meaning == .client { row.failures -= 1 }
        if row.isFailing(details.refusal, at: now) {
            row.state = .failing
            event.reason = LeafReason.failing(refusal.reason)
        }
        return stop
    }

    private func isProbe(_ id: ProviderID, _ refusal: RefusedRefresh) throws -> Bool {
        guard let row = try load(ProviderRow.self, id.rawValue)?.row else { return false }
        return row.state == .stopped && row.revision == refusal.revision
    }
}

extension ConnectionDetails {
    /// One more refusal in a row, or the first of one.
    fileprivate mutating func count(_ refusal: RefusedRefresh, isWitness: Bool, at now: VaultInstant) {
        var counted =
            self.refusal
            ?? ConnectionRefusal(
                reason: refusal.reason, words: refusal.words, since: now, count: 0, revision: refusal.revision
            )
        if counted.revision != refusal.revision {
            counted.revision = refusal.revision
            counted.isWitness = false
        }
        counted.reason = refusal.reason
        counted.words = refusal.words
        counted.count += 1
        counted.isWitness = counted.isWitness || isWitness
        self.refusal = counted
    }
}

extension ConnectionRow {
    /// Refused for so long, and so often, is no passing trouble.
    private static let spanBeforeFailing = Duration.seconds(3 * 3600)
    private static let refusalsBeforeFailing = 3

    /// With the provider's words where they fit next to its metadata.
    fileprivate mutating func keep(
        _ details: ConnectionDetails, in held: inout HeldConnection, _ owner: Owner, _ keyring: Keyring
    ) throws {
        var details = details
        if (try? details.encoded()) == nil { details.refusal?.words = "" }
        guard let encoded = try? details.encoded() else { return }
        self.details = try sealed(encoded, Self.detailsColumn, owner, keyring)
        held.details = details
    }

    /// Whether it goes over to ``ConnectionState/failing`` now.
    fileprivate func isFailing(_ refusal: ConnectionRefusal?, at now: VaultInstant) -> Bool {
        guard state == .live, let refusal, refusal.count >= Self.refusalsBeforeFailing,
            now.elapsed(since: refusal.since) >= Self.spanBeforeFailing
        else { return false }
        return pair == nil || accessExpiresAt.map { $0 <= now } ?? false
    }
}
