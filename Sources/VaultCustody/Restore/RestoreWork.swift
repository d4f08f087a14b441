import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// Does to a vault just unsealed what its plan says: a few rows at a time, each step with its entry. The entries are of
/// the kind by which the vault itself would do it, so another restore, which reads them, does the same.
struct RestoreWork: Sendable {
    let vault: Vault
    let plan: RestorePlan
    let grants: [Int64]

    /// In the log: the newest log names it, or nothing tells whether it moved on.
    private var reason: String { plan.newest?.hasEntries == true ? "restored" : "restored-uncertain" }

    func run() async throws {
        try await inBatches(grants, end)
        let moved = Dictionary(grouping: plan.moved.filter { $0.becomes != .lost }, by: \.table)
        try await inBatches(moved[TableLayout.connections.number] ?? [], quarantine)
        let others = plan.moved.filter { row in
            let isDone = [TableLayout.grants, .connections, .owners].contains { $0.number == row.table }
            return row.becomes != .lost && !isDone
        }
        try await inBatches(others, retire)
        for owner in moved[TableLayout.owners.number] ?? [] { try await disable(owner) }
    }

    private func inBatches<Item: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable ([Item], WriteTransaction) throws -> Void
    ) async throws {
        // A keyslot has two rows.
        let size = Limits.rowsPerLeaf / 2
        for start in stride(from: 0, to: items.count, by: size) {
            let batch = Array(items[start...].prefix(size))
            try await vault.queue.submit(.finishing) { transaction in
                // Each names its rows by an entry of its own.
                .logged(try body(batch, transaction))
            }
        }
    }

    private func end(_ grants: [Int64], _ transaction: WriteTransaction) throws {
        for id in grants {
            guard var row = try transaction.load(GrantRow.self, id)?.row, row.status == .live else {
                continue
            }
            try transaction.revoke(&row)
            transaction.log(
                AuditEvent(
                    .grantRevoke, by: vault.operatorActor.withoutDetails, reason: reason,
                    subject: try transaction.owner(row.owner)?.pseudonym, grant: row.id))
        }
    }

    /// Destroys tokens: a refresh token that may have been spent since is never sent. A connection that
    /// is to be revoked keeps them, because all they are still sent for is that.
    ///
    /// An entry for each, so that each is told.
    private func quarantine(_ moved: [MovedRow], _ transaction: WriteTransaction) throws {
        for item in moved {
            var row = try transaction.connection(ConnectionID(item.id))
            let (owner, state) = (try transaction.owner(row.owner), row.state)
            let actor = vault.operatorActor.withoutDetails
            guard item.becomes != .removed else {
                try transaction.delete(.connections, id: row.id)
                transaction.log(AuditEvent(.connectionRemove, row, by: actor, reason: reason, of: owner))
                continue
            }
            row.accessExpiresAt = transaction.now
            row.lease = nil
            row.fence += 1
            if row.state != .revoking {
                row.state = .needsConsent
                row.reason = reason
                row.dueAt = nil
                row.forgetTokens()
            }
            try transaction.update(row)
            transaction.log(
                AuditEvent(
                    .connectionRefresh, row, .refused, by: actor,
                    reason: state.reasonOfLoss(reason),
                    of: owner))
        }
    }

    private func retire(_ moved: [MovedRow], _ transaction: WriteTransaction) throws {
        for item in moved {
            let subject = try transaction.owner(of: item).flatMap { try transaction.owner($0)?.pseudonym }
            try retire(item, transaction)
            transaction.log(
                AuditEvent(
                    .vaultRestore, by: vault.operatorActor.withoutDetails, reason: reason, subject: subject))
        }
    }

    private func retire(_ item: MovedRow, _ transaction: WriteTransaction) throws {
        if item.becomes == .ended, var secret = try transaction.load(ClientSecretInfo.self, item.id)?.row {
            secret.notAfter = min(secret.notAfter ?? transaction.now, transaction.now)
            return try transaction.update(secret)
        }
        if item.becomes == .stopped, var provider = try transaction.load(ProviderRow.self, item.id)?.row {
            provider.state = .stopped
            try provider.setMember(ProviderRow.doubtMember, to: nil)
            return try transaction.update(provider)
        }
        if item.table == TableLayout.keyslots.number,
            try transaction.load(KeyslotDetailsRow.self, item.id) != nil
        {
            try transaction.delete(.keyslotDetails, id: item.id)
        }
        for layout in TableLayout.tagged where layout.number == item.table {
            try transaction.delete(layout, id: item.id)
        }
    }

    private func disable(_ moved: MovedRow) async throws {
        let id = OwnerID(moved.id)
        let isClient = moved.kind == "client"
        try await vault.write(.finishing) { [reason] transaction in
            guard var row = try transaction.load(OwnerRow.self, moved.id)?.row else { throw Vault.noUser }
            var event = AuditEvent(
                isClient ? .clientChange : .userChange, by: vault.operatorActor, reason: reason,
                subject: try transaction.owner(id)?.pseudonym)
            switch moved.becomes {
            case .erased:
                event.operation = .userErase
                try transaction.erase(&row)
            case .removed:
                event.operation = isClient ? .clientRemove : .userRemove
                row.remove()
                if var client = try transaction.load(ClientRow.self, moved.id)?.row {
                    client.nameTag = nil
                    try transaction.update(client)
                }
            default: if row.state == .active { row.state = .disabled }
            }
            try transaction.update(row)
            return Audited((), event)
        }
        guard moved.becomes != .disabled else { return }
        try await vault.forgetConsents(of: id)
        if moved.becomes == .erased { _ = try await vault.deleteSealedRows(of: id) }
        if !isClient { try await vault.endConnections(of: id) }
    }
}

extension WriteTransaction {
    /// Whose row it is, of those that belong to one user or client.
    fileprivate func owner(of item: MovedRow) throws -> OwnerID? {
        switch item.table {
        case TableLayout.passwords.number: return OwnerID(item.id)
        case TableLayout.consents.number: return try load(Consent.self, item.id)?.row.user
        case TableLayout.clientSecrets.number: return try load(ClientSecretInfo.self, item.id)?.row.client
        case TableLayout.authorizationRequests.number:
            let owner = try stored(.authorizationRequests, item.id)?["owner_id"]
            return if case .integer(let id)? = owner { OwnerID(id) } else { nil }
        default: return nil
        }
    }
}
