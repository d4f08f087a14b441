package import VaultCore
package import VaultCrypto
package import VaultStore

/// A keyslot with its details, tags checked.
package struct StoredKeyslot {
    package let row: KeyslotRow
    package let details: KeyslotDetailsRow?

    package var name: String { details?.name ?? "\(row.record.kind.word)-\(row.id)" }
    package var isRotatable: Bool { details?.held != nil }

    /// Tells the slot from every other that ever was in its place, whatever root key is in it.
    package var identity: [UInt8] { row.record.id }

    package init(row: KeyslotRow, details: KeyslotDetailsRow?) {
        (self.row, self.details) = (row, details)
    }

    package static func all(_ database: Database, _ keyring: Keyring) throws -> [StoredKeyslot] {
        joined(
            try database.loadAll(KeyslotRow.self, where: "true ORDER BY id", [], keyring),
            try database.loadAll(KeyslotDetailsRow.self, where: "true ORDER BY id", [], keyring))
    }

    package static func all(_ transaction: WriteTransaction) throws -> [StoredKeyslot] {
        joined(try transaction.query(KeyslotRow.self), try transaction.query(KeyslotDetailsRow.self))
    }

    private static func joined(_ slots: [KeyslotRow], _ details: [KeyslotDetailsRow]) -> [StoredKeyslot] {
        slots.map { row in StoredKeyslot(row: row, details: details.first { $0.id == row.id }) }
    }
}

/// Finds the keyslot that a source opens.
package enum Unlocking {
    private static let locked = VaultError(.locked, "")

    /// What a source opened, and what opens it again in this process.
    package typealias Opened = (key: OpenedKey, unlocker: Unlocker)

    /// The key of the slot that `source` opens, and what opens it again.
    ///
    /// - Parameter roles: what is to be held at most: the root key is wiped where that is one role's key.
    /// - Throws: ``VaultError/Code/locked`` naming the slots there are, ``VaultError/Code/denied`` where the slot is for
    ///   another role; what the source itself met.
    package static func unlock(
        _ database: Database, vault: VaultRow, _ source: KeySource, for roles: VaultRoles = .everything
    ) throws -> Opened {
        let opened = try unlock(database, vault.id, database.slotEpochs(), source, for: roles)
        guard case .root = opened.key, roles != .everything else { return opened }
        return (
            try opened.key.narrowed(to: roles, database, vault),
            Unlocker(narrowing: opened.unlocker, to: roles, source)
        )
    }

    /// The same as of chosen epochs, and without narrowing.
    package static func unlock(
        _ database: Database, _ vault: VaultID, _ epochs: SlotEpochs, _ source: KeySource,
        for roles: VaultRoles = .everything
    ) throws -> Opened {
        var tried: [String] = []
        var refusal: VaultError?
        var opened: Opened?
        try forEachSlot(
            database, unknown: { tried.append("one of kind \($0), which this version cannot open") }
        ) { row, record in
            tried.append("\(record.kind.noun) \(Hex.encode(record.id.prefix(4)))")
            guard let slotRoles = VaultRoles(slot: record.role), record.epoch == epochs[slotRoles],
                Keyslot.accepts(source, record)
            else { return true }
            do {
                let slot = try Keyslot.unlock(record, with: source, vault: vault)
                guard [slotRoles, .everything].contains(roles) || slotRoles == .everything else {
                    refusal = .needs(roles.role ?? .common)
                    return true
                }
                opened = (
                    slotRoles.opened(slot.root, record.epoch),
                    Unlocker(row: row, record, slot.slotKey, source)
                )
                return false
            } catch let error as VaultError where error == Self.locked {
                // A program or provider says more than that a key does not fit.
                if source.kind == .program { refusal = error }
                return true
            }
        }
        if let opened { return opened }
        if let refusal { throw refusal }
        throw VaultError(
            .locked,
            "The supplied key does not open vault \(vault). Keyslots: "
                + tried.joined(separator: ", ") + "." + Self.addition(source, vault),
            remedy: "Give the key file or passphrase of one of these slots.")
    }

    /// Rows of `keyslots` as far as this version understands them, until `body` says false.
    ///
    /// - Parameter unknown: called with a kind of slot that this version does not know.
    static func forEachSlot(
        _ database: Database, unknown: (Int64) -> Void = { _ in },
        _ body: (Int64, KeyslotRecord) throws -> Bool
    ) throws {
        // Its tag is judged later, by the keys that one of them leads to.
        try database.forEachRow(KeyslotRow.layout.selectSQL + " ORDER BY id LIMIT 64") { cursor in
            let stored = StoredRow(unchecked: cursor, KeyslotRow.layout)
            if let row = try? KeyslotRow(stored) { return try body(row.id, row.record) }
            if case .integer(let kind) = stored["kind"], KeyslotKind(rawValue: kind) == nil { unknown(kind) }
            return true
        }
    }

    private static func addition(_ source: KeySource, _ vault: VaultID) -> String {
        guard case .recoveryKey(let key) = source else { return "" }
        return key.vault == vault
            ? " Recovery key \(key.id) opens none of them."
            : " Recovery key \(key.id) is of vault \(key.vault)."
    }
}

/// The epoch of the key in each keyslot, by what the slot is for.
package typealias SlotEpochs = [VaultRoles: UInt32]

extension Database {
    /// As the vault says; what is opened by it is what proves it.
    package func slotEpochs() throws -> SlotEpochs {
        var epochs: SlotEpochs = [:]
        try forEachRow(
            """
            SELECT 0, key_epoch FROM vault UNION ALL
            SELECT role, epoch FROM role_keys WHERE state = 1 AND role <> 0 AND wrapper = 0 LIMIT 8
            """
        ) { row in
            let roles = UInt16(exactly: row.integer(0)).flatMap(VaultRoles.init(slot:))
            if let roles { epochs[roles] = UInt32(exactly: row.integer(1)) }
            return true
        }
        return epochs
    }
}

extension VaultRoles {
    /// The key inside a slot for these.
    fileprivate func opened(_ key: GuardedKey, _ epoch: UInt32) -> OpenedKey {
        role.map { .role($0, epoch: epoch, key) } ?? .root(key)
    }
}

extension OpenedKey {
    /// The key of one role, by the root key, which is wiped with the last reference to it.
    fileprivate func narrowed(to roles: VaultRoles, _ database: Database, _ vault: VaultRow) throws
        -> OpenedKey
    {
        guard case .root = self, let role = roles.role else { return self }
        // Who takes the key judges the row by its tag.
        let rows = try database.rows(RoleKeyRow.layout.selectSQL + " ORDER BY id LIMIT 64") {
            try RoleKeyRow(StoredRow(unchecked: $0, RoleKeyRow.layout))
        }
        let keys = try RoleKeys(
            rows, openedBy: self, epoch: UInt32(truncatingIfNeeded: vault.keyEpoch), vault: vault.id)
        let key = try keys.current(role)
        return .role(role, epoch: key.epoch, key.key)
    }
}

/// What this process opens the vault by again when another process has changed the keys. That is the key
/// of its keyslot, which outlives a change of the key inside: a passphrase is forgotten once it opened the
/// vault, and no key file or token has to stay plugged in for the sake of rotations. A process that keeps one
/// role's keys of a slot for everything keeps no key of that slot either.
package final class Unlocker: Sendable {
    /// Of the row in `keyslots`.
    let row: Int64
    package let slotID: [UInt8]
    let kind: KeyslotKind
    /// Nil where a slot for everything was opened for one role.
    package let slotKey: GuardedKey?
    /// What is held at most.
    private let roles: VaultRoles
    /// For when the slot was replaced; nil for what is better forgotten.
    private let source: KeySource?

    init(row: Int64, _ record: KeyslotRecord, _ slotKey: GuardedKey, _ source: KeySource) {
        self.row = row
        slotID = record.id
        kind = record.kind
        self.slotKey = slotKey
        roles = .everything
        self.source =
            switch source {
            case .passphrase: nil
            case .keyFile, .systemdCredential, .heldKey, .recoveryKey, .program, .provider: source
            }
    }

    /// Of a slot for everything, of which one role's keys are kept: what is asked again is a file, a credential, a
    /// program or a provider, and no key.
    fileprivate init(narrowing unlocker: Unlocker, to roles: VaultRoles, _ source: KeySource) {
        (row, slotID, kind, slotKey) = (unlocker.row, unlocker.slotID, unlocker.kind, nil)
        self.roles = roles
        self.source =
            switch source {
            case .passphrase, .heldKey, .recoveryKey: nil
            case .keyFile, .systemdCredential, .program, .provider: source
            }
    }

    /// For a vault whose root key was known: nothing opens it again after another process rotates that.
    init(root: GuardedKey) {
        row = 0
        slotID = []
        kind = .keyFile
        slotKey = root
        roles = .everything
        source = nil
    }

    /// The key of the epoch that `epochs` names. Blocks as long as the source takes when its slot was
    /// replaced.
    ///
    /// - Throws: ``VaultError/Code/locked`` when the slot was removed, and no other key is available or fits.
    package func open(_ database: Database, _ vault: VaultID, _ epochs: SlotEpochs) throws -> OpenedKey {
        var opened: OpenedKey?
        if let slotKey {
            try Unlocking.forEachSlot(database) { _, record in
                guard record.id == slotID, let roles = VaultRoles(slot: record.role),
                    record.epoch == epochs[roles]
                else { return true }
                opened = (try? Keyslot.open(record, slotKey: slotKey, vault: vault)).map {
                    roles.opened($0, record.epoch)
                }
                return false
            }
        }
        if let opened { return opened }
        guard let source else {
            throw VaultError(
                .locked, "The key of this process no longer opens the vault.",
                remedy: "Start it again with a key that opens the vault now.")
        }
        let found = try Unlocking.unlock(database, vault, epochs, source, for: roles).key
        return try found.narrowed(to: roles, database, VaultRow.read(database, rowKey: nil))
    }
}
