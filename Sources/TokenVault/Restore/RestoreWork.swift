import GRDB
import TokenRotation
import VaultCore
import VaultCrypto

/// Does to a vault just unsealed what its plan says: a few rows at a time, each step with its entry.
struct RestoreWork: Sendable {
    /// Reasons in the log, words of our own.
    enum Reason {
        /// The newest log names it.
        static let moved = "restored"
        /// Nothing tells whether it moved on.
        static let uncertain = "restored-uncertain"
    }

    let vault: Vault
    let plan: RestorePlan
    let hasEntries: Bool

    func run() async throws {
        if hasEntries {
            try await inBatches(plan.movedGrants.map(\.id)) { ids, transaction in
                try revoke(try ids.compactMap { try transaction.load(GrantRow.self, $0)?.row }, transaction)
            }
        } else if plan.revokedGrants > 0 {
            try await revokeEveryGrant()
        }
        // The entry that names the rows of a batch says one deed of all of them.
        let deeds = Dictionary(grouping: plan.movedConnections) { "\($0.action) \($0.isGone)" }
        for deed in deeds.keys.sorted() { try await inBatches(deeds[deed] ?? [], settle) }
        try await inBatches(plan.retired, retire)
        for owner in plan.movedOwners { try await settle(owner) }
    }

    private func inBatches<Item: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable ([Item], WriteTransaction) throws -> [AuditEvent]
    ) async throws {
        var rest = items[...]
        while !rest.isEmpty {
            let batch = Array(rest.prefix(Limits.rowsPerLeaf))
            rest = rest.dropFirst(batch.count)
            try await vault.queue.submit(.finishing) { ((), try body(batch, $0)) }
        }
    }
}

// MARK: - Grants

extension RestoreWork {
    private func revokeEveryGrant() async throws {
        var last: Int64? = 0
        while let after = last {
            last = try await vault.queue.submit(.finishing) { transaction in
                let rows = try transaction.database.loadAll(
                    GrantRow.self, where: "id > ? AND state = 1 ORDER BY id LIMIT ?",
                    [.integer(after), .integer(Int64(Limits.rowsPerLeaf))], transaction.keyring)
                return (rows.last?.id.rawValue, try revoke(rows, transaction))
            }
        }
    }

    private func revoke(_ rows: [GrantRow], _ transaction: WriteTransaction) throws -> [AuditEvent] {
        var revoked: [GrantID] = []
        for var row in rows where row.status == .live {
            try transaction.revoke(&row)
            revoked.append(row.id)
        }
        guard !revoked.isEmpty else { return [] }
        var event = AuditEvent(.grantRevoke, by: vault.operatorActor)
        event.reason = hasEntries ? Reason.moved : Reason.uncertain
        event.grants = revoked
        return [event]
    }
}

// MARK: - Connections

extension RestoreWork {
    /// An entry for each, so that each is told; the first names the rows of all.
    private func settle(_ moved: [MovedConnection], _ transaction: WriteTransaction) throws -> [AuditEvent] {
        var events: [AuditEvent] = []
        for connection in moved {
            guard var row = try transaction.load(ConnectionRow.self, connection.id)?.row else { continue }
            let reason = hasEntries ? Reason.moved : Reason.uncertain
            var event: AuditEvent
            switch connection.action {
            case .quarantined:
                event = AuditEvent(
                    .connectionRefresh, row, .refused, by: vault.operatorActor,
                    reason: LeafReason.lost(reason, from: row.state))
                quarantine(&row, reason, at: transaction.now)
            case .revoked:
                row.state = .revoked
                row.reason = reason
                row.pair = nil
                row.reply = nil
                row.attempt = nil
                row.lease = nil
                row.dueAt = nil
                event = AuditEvent(.connectionRevoke, row, by: vault.operatorActor, reason: reason)
            case .renewed:
                row.accessExpiresAt = transaction.now
                row.lease = nil
                if row.state.isRefreshed { row.dueAt = transaction.now }
                event = AuditEvent(.connectionRefresh, row, .refused, by: vault.operatorActor, reason: reason)
            }
            event.subject = row.owner == .system ? nil : try transaction.owner(row.owner)?.pseudonym
            if connection.isGone {
                event.operation = .connectionRemove
                try transaction.delete(.connections, id: row.id)
            } else {
                try transaction.update(row)
            }
            events.append(event)
        }
        return events
    }

    /// Destroys its tokens: a refresh token that may have been spent since is never sent, at nobody's word. A
    /// connection that is to be revoked keeps them, because all they are still sent for is that.
    private func quarantine(_ row: inout ConnectionRow, _ reason: String, at now: VaultInstant) {
        row.accessExpiresAt = now
        row.lease = nil
        row.fence += 1
        guard row.state != .revoking else { return }
        row.state = .needsConsent
        row.reason = reason
        row.pair = nil
        row.reply = nil
        row.attempt = nil
        row.dueAt = nil
    }
}

// MARK: - Everything else

extension RestoreWork {
    private func retire(_ retired: [RetiredRow], _ transaction: WriteTransaction) throws -> [AuditEvent] {
        var hasChanges = false
        for item in retired {
            hasChanges = try retire(item, transaction) || hasChanges
        }
        guard hasChanges else { return [] }
        transaction.touchRegistry()
        var event = AuditEvent(.vaultRestore, by: vault.operatorActor)
        event.reason = "retired"
        return [event]
    }

    private func retire(_ item: RetiredRow, _ transaction: WriteTransaction) throws -> Bool {
        let now = transaction.now
        switch item.number {
        case TableLayout.passwords.number where item.isGone:
            try transaction.delete(.passwords, id: item.id)
        case TableLayout.clientSecrets.number:
            guard var row = try transaction.load(ClientSecretRow.self, item.id)?.row else { return false }
            row.notAfter = min(row.notAfter ?? now, now)
            try transaction.update(row)
        case TableLayout.passwords.number:
            guard var row = try transaction.load(PasswordRow.self, item.id)?.row else { return false }
            row.verifier = nil
            row.version += 1
            row.changedAt = now
            try transaction.update(row)
        case TableLayout.providers.number:
            guard var row = try transaction.load(ProviderRow.self, item.id)?.row else { return false }
            row.state = .stopped
            try row.setDoubt(nil)
            try transaction.update(row)
        case TableLayout.signingKeys.number where !item.isGone:
            guard var row = try transaction.load(SigningKeyRow.self, item.id)?.row else { return false }
            row.state = .retired
            row.publishedUntil = min(row.publishedUntil ?? now, now)
            try transaction.update(row)
        default:
            guard let layout = TableLayout.tagged.first(where: { $0.number == item.number }) else {
                return false
            }
            try transaction.delete(layout, id: item.id)
        }
        return true
    }

    private func settle(_ moved: MovedOwner) async throws {
        try await vault.write(.finishing) { [operatorActor = vault.operatorActor] transaction in
            guard var row = try transaction.load(OwnerRow.self, moved.id.rawValue)?.row else {
                throw VaultError(.integrity, "A user or client that was just read is gone.")
            }
            var event = AuditEvent(moved.operation, by: operatorActor)
            event.reason = moved.reason
            event.subject = try transaction.owner(moved.id)?.pseudonym
            row.revocations += moved.revocations
            switch moved.change {
            case .enabled: row.state = .active
            case .disabled, .quarantined: row.state = .disabled
            case .revoked: break
            case .removed, .erased:
                row.state = .removed
                row.lookupTag = nil
                if moved.change == .erased {
                    row.wrappedKey = nil
                    row.identity = nil
                    row.pseudonym = nil
                    // The key before it would open what is left as well.
                    let table = TableLayout.previousOwnerKeys
                    let previous = try transaction.database.firstRow(
                        table.selectByID, [.integer(moved.id.rawValue)]
                    ) { _ in true }
                    if previous == true { try transaction.delete(table, id: moved.id.rawValue) }
                }
                if moved.isClient, var client = try transaction.load(ClientRow.self, moved.id.rawValue)?.row {
                    client.nameTag = nil
                    try transaction.update(client)
                }
            }
            try transaction.update(row)
            transaction.touchRegistry()
            return Audited((), event)
        }
        if moved.change == .removed || moved.change == .erased {
            try await vault.forgetConsents(of: moved.isClient ? .client(moved.id) : .user(moved.id))
        }
    }
}

/// The words by which another restore, which reads this log, does the same again.
extension MovedOwner {
    fileprivate var operation: AuditOperation {
        switch change {
        case .erased: .userErase
        case .removed: isClient ? .clientRemove : .userRemove
        default: isClient ? .clientChange : .userChange
        }
    }

    fileprivate var reason: String {
        switch change {
        case .enabled: "enabled"
        case .disabled: "disabled"
        case .revoked: "grants_revoked"
        case .removed, .erased, .quarantined: RestoreWork.Reason.moved
        }
    }
}
