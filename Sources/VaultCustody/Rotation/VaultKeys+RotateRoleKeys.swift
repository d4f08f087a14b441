public import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// The root key and the keys of the roles that a rotation leads to, or that there are.
struct NextKeys: Sendable {
    let root: GuardedKey
    /// Epoch of the root key.
    let epoch: UInt32
    /// Those that are new.
    let fresh: [RoleKey]
    private let roles: [KeyRole: RoleKey]

    /// - Parameters:
    ///   - replaced: roles that get new keys; the common key is new too then.
    ///   - root: nil: the present one stays.
    init(replacing replaced: [KeyRole] = [], root: GuardedKey? = nil, in keyring: Keyring) throws {
        let oldRoot = try keyring.root
        self.root = root ?? oldRoot
        epoch = keyring.epoch + (root == nil ? 0 : 1)
        fresh = try (replaced.isEmpty ? [] : replaced + [.common]).map { role in
            RoleKey(role: role, epoch: try keyring.roleKeys.current(role).epoch + 1, key: .random())
        }
        let present = try KeyRole.allCases.map(keyring.roleKeys.current)
        roles = Dictionary((present + fresh).map { ($0.role, $0) }) { $1 }
    }

    /// What belongs into a slot; nil for a slot of a role that there is not.
    func inside(_ record: KeyslotRecord) -> (key: GuardedKey, epoch: UInt32)? {
        VaultRoles(slot: record.role).map(key)
    }

    func key(of roles: VaultRoles) -> (key: GuardedKey, epoch: UInt32) {
        roles.role.flatMap { self.roles[$0] }.map { ($0.key, $0.epoch) } ?? (root, epoch)
    }

    func contains(_ opened: OpenedKey) -> Bool {
        switch opened {
        case .root(let key): key.isEqual(to: root)
        case .role(let role, _, let key): roles[role]?.key.isEqual(to: key) ?? false
        }
    }

    /// Whether these follow the keys that there are.
    func follows(_ keyring: Keyring) throws -> Bool {
        try epoch == keyring.epoch + 1
            && fresh.allSatisfy { try $0.epoch == keyring.roleKeys.current($0.role).epoch + 1 }
    }

    var slotEpochs: SlotEpochs {
        var epochs: SlotEpochs = [.everything: epoch]
        for role in KeyRole.own { epochs[VaultRoles(role)] = roles[role]?.epoch }
        return epochs
    }
}

extension VaultKeys {
    /// Gives the vault a new root key and every role a new key: wraps every key under it again, proves that each opens, and
    /// destroys the old ones.
    ///
    /// Online: services go on, and load the new keys by themselves. After a crash the next call continues where this
    /// one was. The keys under the roles' stay what they are; after a disclosure use ``rotateDeeply(openedBy:others:progress:)``.
    ///
    /// - Throws: ``VaultError/Code/denied`` when a keyslot cannot be wrapped again (its remedy says what to do), or where the
    ///   vault was opened for one role; ``VaultError/Code/integrity`` when a key does not open: the old keys are kept then;
    ///   and for a keyslot that is not the newest of its place, before anything is changed.
    public func rotateRoot(
        progress: @escaping KeyRotationObserver = { _ in }
    ) async throws -> KeyRotationReport {
        try await rotateRoleKeys(KeyRole.own, root: .random(), kind: "root", progress)
    }

    /// Gives one role a new key, and the vault a new common one: heals a keyslot of the role that became known, once that
    /// slot was removed. Other slots of the role get the new key. Otherwise as ``rotateRoot(progress:)``.
    public func rotateRole(
        _ roles: VaultRoles, progress: @escaping KeyRotationObserver = { _ in }
    ) async throws -> KeyRotationReport {
        guard let role = roles.role else { return try await rotateRoot(progress: progress) }
        return try await rotateRoleKeys([role], root: nil, kind: roles.rawValue, progress)
    }

    private func rotateRoleKeys(
        _ roles: [KeyRole], root: GuardedKey?, kind: String, _ progress: @escaping KeyRotationObserver
    ) async throws -> KeyRotationReport {
        // A slot that a restore took over is taken along once it was opened: as it just was.
        try await proveOpenedSlot(isFirstOnly: true)
        // This process need not open the new root key by its keyslot, which may be another one then.
        if let root { vault.liveKeys.expect(root) }
        var report = try await beginKeyRotation(kind) { transaction in
            let next = try NextKeys(replacing: roles, root: root, in: transaction.keyring)
            try transaction.rewrapKeyslots(to: next)
            return next
        }
        report.rewritten = try await finishKeyRotation(progress)
        return report
    }

    /// The first transaction: the new keys, the old ones wrapped under them, and the new ones in every keyslot.
    ///
    /// - Parameter rewrapSlots: puts the new keys into every keyslot, and returns them.
    func beginKeyRotation(
        _ kind: String, _ rewrapSlots: @escaping @Sendable (WriteTransaction) throws -> NextKeys
    ) async throws -> KeyRotationReport {
        try await vault.queue.submit(.newWork) { transaction in
            let keyring = transaction.keyring
            _ = try keyring.root
            guard keyring.roleKeys.rotating.isEmpty else {
                return .unchanged(KeyRotationReport(kind, keyring, isResumed: true))
            }
            let next = try rewrapSlots(transaction)
            try transaction.replaceRoleKeys(by: next)
            transaction.changeVault { $0.keyEpoch = Int64(next.epoch) }
            return Audited(
                KeyRotationReport(kind: kind, epoch: Int64(next.epoch)),
                AuditEvent(.keyRotate, by: vault.operatorActor, reason: kind + "-begun"))
        }
    }

    /// Everything after the first transaction; does nothing when no role's key is being replaced.
    ///
    /// - Returns: how many keys were wrapped again.
    func finishKeyRotation(_ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        let begun = try await vault.snapshot { database, keys in
            keys.keyring.roleKeys.rotating.isEmpty ? nil : try database.slotEpochs()
        }
        guard let epochs = begun else { return 0 }
        try await rewrapSystemKeys()
        let count = try await RotationSweep(
            vault: vault, table: "owner_keys", phase: "owners", condition: Self.staleOwnerKeys,
            reason: "owners"
        ).run(progress) { try $0.rewrapOwnerKey($1) }
        let isProved = try await vault.study { database, keys in
            // Another operator ended this rotation and began the next, which is not ours to judge.
            guard try database.slotEpochs() == epochs else { return false }
            try Trial.openKeys(of: database, keys.keyring, progress)
            return true
        }
        if isProved { try await destroyRetiredRoleKeys(epochs) }
        try await vault.truncateWAL()
        return count
    }

    /// Rows of a table whose key is not under the present key of their role.
    private static func stale(_ table: String, _ column: String) -> String {
        "\(column) <> (SELECT max(r.epoch) FROM role_keys r WHERE r.role = \(table).role AND r.state = 1)"
    }

    private static let staleSystemKeys = stale("system_keys", "epoch")
    private static let staleOwnerKeys =
        "(\(stale("owner_keys", "epoch")) OR \(stale("owner_keys", "previous_epoch")))"

    private func rewrapSystemKeys() async throws {
        let isDone = try await vault.queue.submit(.finishing) { transaction in
            let keyring = transaction.keyring
            _ = try keyring.root
            let rows = try transaction.database.loadAll(
                SystemKeyRow.self, where: Self.staleSystemKeys + " ORDER BY id LIMIT ?",
                [.integer(Int64(Limits.rowsPerLeaf))], keyring)
            for row in rows { try transaction.update(row.rewrapped(keyring)) }
            guard !rows.isEmpty else { return .unchanged(true) }
            return Audited(
                rows.count < Limits.rowsPerLeaf,
                AuditEvent(.keyRewrap, by: vault.operatorActor, reason: "system-keys", count: rows.count))
        }
        if !isDone { try await rewrapSystemKeys() }
    }

    /// The last transaction: nothing is wrapped under an old key any more, so none is needed.
    private func destroyRetiredRoleKeys(_ epochs: SlotEpochs) async throws {
        try await vault.queue.submit(.finishing) { transaction in
            let (keyring, database) = (transaction.keyring, try transaction.database)
            guard !keyring.roleKeys.rotating.isEmpty, try database.slotEpochs() == epochs else {
                return .unchanged(())
            }
            let left =
                try database.rowCount("owner_keys", where: Self.staleOwnerKeys)
                + database.rowCount("system_keys", where: Self.staleSystemKeys)
            let slots = try database.loadAll(KeyslotRow.self, where: "true", [], keyring)
            guard left == 0, slots.allSatisfy({ $0.record.epoch == epochs[$0.roles] }) else {
                throw VaultError(
                    .integrity, "Keys are still wrapped under an old key, which is kept.",
                    remedy: "Rotate the root key again.")
            }
            for row in try database.loadAll(RoleKeyRow.self, where: "state = 2", [], keyring) {
                try transaction.delete(.roleKeys, id: row.id)
            }
            let roles = KeyRole.own.filter(keyring.roleKeys.rotating.contains)
            let kind = roles.count == 1 ? "\(roles[0])" : "root"
            return Audited((), AuditEvent(.keyRotate, by: vault.operatorActor, reason: kind + "-done"))
        }
    }
}

extension WriteTransaction {
    /// Retires the keys that have a successor: a role's key before is wrapped under its new one until the rotation ends.
    /// Those that have none are wrapped under a new root key.
    fileprivate func replaceRoleKeys(by next: NextKeys) throws {
        for var row in try query(RoleKeyRow.self) where row.state == .current {
            guard let new = next.fresh.first(where: { $0.role == row.role }) else {
                if next.epoch != keyring.epoch, row.wrapper == nil {
                    try update(rewrapped(row, nil, next.root, next.epoch, .current))
                }
                continue
            }
            row.state = .retired
            // The common key before is wrapped by keys that are there as long as it is.
            try update(row.role == .common ? row : rewrapped(row, new.role, new.key, new.epoch, .retired))
        }
        try insertRoleKeys(next.fresh, root: next.root, epoch: next.epoch)
    }

    private func rewrapped(
        _ row: RoleKeyRow, _ wrapper: KeyRole?, _ key: GuardedKey, _ epoch: UInt32, _ state: KeyState
    ) throws -> RoleKeyRow {
        let inside = RoleKey(
            role: row.role, epoch: UInt32(truncatingIfNeeded: row.epoch),
            key: try keyring.roleKeys.key(row.role, epoch: row.epoch))
        return RoleKeyRow(
            id: row.id, inside, under: wrapper, key, epoch: epoch, state: state, vault: keyring.vault,
            createdAt: row.createdAt)
    }

    /// - Returns: false when the owner does not need it: erased, or done by another process.
    fileprivate func rewrapOwnerKey(_ id: Int64) throws -> Bool {
        guard let row = try load(OwnerKeyRow.self, id)?.row else { return false }
        let current = Int64(try keyring.roleKeys.current(row.role).epoch)
        guard row.epoch != current || row.previous?.epoch ?? current != current else { return false }
        try update(row.rewrapped(keyring))
        return true
    }
}

extension SystemKeyRow {
    /// The same key under the present key of its role.
    fileprivate func rewrapped(_ keyring: Keyring) throws -> SystemKeyRow {
        let wrapper = try keyring.roleKeys.current(role)
        let key = try unwrapped(keyring.roleKeys, keyring.vault)
        return SystemKeyRow(
            id: id, purpose: purpose, keyID: keyID, state: state, epoch: Int64(wrapper.epoch),
            wrapped: KeyWrap.wrap(
                key, under: wrapper.key, epoch: wrapper.epoch,
                for: Keyring.wrapContext(keyring.vault, systemKey: id)),
            createdAt: createdAt, role: role)
    }
}
