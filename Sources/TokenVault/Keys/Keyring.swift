package import MerkleLog
package import VaultCore
package import VaultCrypto
package import VaultStore

/// The keys of an open vault, all in guarded memory: the root key where a keyslot for everything was opened, the keys of
/// the roles that are held, and the system keys under them. One value never changes; ``LiveKeys`` replaces it when keys
/// are rotated.
///
/// Asking for a key of another role throws ``VaultError/Code/denied``.
package final class Keyring: Sendable {
    package let vault: VaultID
    /// Epoch of the root key.
    package let epoch: UInt32
    let opened: OpenedKey
    package let roleKeys: RoleKeys
    package let lookup: RowKeys
    package let rows: RowTags
    /// Sums up the rows of the registry.
    package let rowSet: RowSetKey
    package let signer: NoteSigner
    private let handleSealer: HandleSealer?
    private let tagKeys: [KeyRole: TagKeys]

    /// Key ids are per role and purpose, from 1; exactly one key of each is current.
    ///
    /// - Parameter origin: of the log, when the vault was restored.
    init(
        vault: VaultID, epoch: UInt32, opened: OpenedKey, roleKeys: RoleKeys, keys: [SystemKey],
        origin: String? = nil
    ) throws {
        func all(_ purpose: SystemKeyPurpose, _ role: KeyRole) -> [SystemKey] {
            keys.filter { $0.purpose == purpose && $0.role == role }
        }
        func current(_ purpose: SystemKeyPurpose, _ role: KeyRole = .common) throws -> SystemKey {
            let current = all(purpose, role).filter(\.isCurrent)
            // Two: an older row of one that was retired was put back.
            guard let key = current.first, current.count == 1 else {
                throw VaultError(
                    .integrity,
                    current.isEmpty
                        ? "A system key of the vault is missing."
                        : "Two system keys of the vault are current for one purpose.",
                    remedy: "Restore a backup.")
            }
            return key
        }
        func rowKeys(_ purpose: SystemKeyPurpose, _ role: KeyRole = .common) throws -> RowKeys {
            let retired = all(purpose, role).filter { !$0.isCurrent }
            return RowKeys(try current(purpose, role).tagKey, retired: retired.map(\.tagKey))
        }
        let held = KeyRole.allCases.filter(roleKeys.isHeld)
        self.vault = vault
        self.epoch = epoch
        self.opened = opened
        self.roleKeys = roleKeys
        lookup = try rowKeys(.lookup)
        rows = RowTags(
            try Dictionary(uniqueKeysWithValues: held.map { ($0, try rowKeys(.rows, $0)) }))
        rowSet = RowSetKey(try current(.rowSet).key)
        let tagging = held.filter(SystemKeyPurpose.tags.roles.contains)
        tagKeys = try Dictionary(uniqueKeysWithValues: tagging.map { ($0, TagKeys(try rowKeys(.tags, $0))) })
        handleSealer =
            held.contains(.issuer)
            ? try HandleSealer(
                vault: vault,
                keys: Dictionary(all(.handles, .issuer).map { ($0.keyID, $0.key) }) { first, _ in first },
                current: try current(.handles, .issuer).keyID) : nil
        let signing = SigningKey(seed: try current(.logSigning).key)
        guard let signer = NoteSigner(name: origin ?? LogHead.origin(of: vault), key: signing) else {
            throw VaultError(.internalError, "The log's origin is not a key name.")
        }
        self.signer = signer
    }

    /// The same keys; rows are compared with `roster`.
    package func showing(_ roster: LiveRoster) -> Keyring { Keyring(self, roster) }

    private init(_ other: Keyring, _ roster: LiveRoster) {
        (vault, epoch, opened, roleKeys) = (other.vault, other.epoch, other.opened, other.roleKeys)
        (handleSealer, tagKeys) = (other.handleSealer, other.tagKeys)
        (lookup, rowSet, signer) = (other.lookup, other.rowSet, other.signer)
        rows = RowTags(other.rows, roster: roster)
    }

    /// - Throws: ``VaultError/Code/denied`` where the vault was opened for one role.
    package var root: GuardedKey {
        get throws {
            guard case .root(let root) = opened else { throw VaultError.needsEverything }
            return root
        }
    }

    var handles: HandleSealer {
        get throws {
            guard let handleSealer else { throw VaultError.needs(.issuer) }
            return handleSealer
        }
    }

    /// Tags of tokens and secrets; rows say under which id theirs were made.
    package var issuerTags: TagKeys { get throws { try tags(of: .issuer) } }

    /// Tags of the state and the session of consents that were begun.
    package var keeperTags: TagKeys { get throws { try tags(of: .keeper) } }

    private func tags(of role: KeyRole) throws -> TagKeys {
        guard let tags = tagKeys[role] else { throw VaultError.needs(role) }
        return tags
    }
}

/// A system key, unwrapped.
package struct SystemKey: Sendable {
    package let purpose: SystemKeyPurpose
    package let role: KeyRole
    package let keyID: UInt8
    package let isCurrent: Bool
    package let key: GuardedKey

    fileprivate var tagKey: TagKey { TagKey(id: keyID, key: key) }

    package init(purpose: SystemKeyPurpose, role: KeyRole, keyID: UInt8, isCurrent: Bool, key: GuardedKey) {
        (self.purpose, self.role, self.keyID, self.isCurrent, self.key) = (
            purpose, role, keyID, isCurrent, key
        )
    }
}

extension SystemKeyRow {
    /// - Throws: ``VaultError/Code/denied`` for a key of a role that is not held.
    package func unwrapped(_ keys: RoleKeys, _ vault: VaultID) throws -> GuardedKey {
        try KeyWrap.unwrap(
            wrapped, with: keys.key(role, epoch: epoch), epoch: UInt32(truncatingIfNeeded: epoch),
            for: Keyring.wrapContext(vault, systemKey: id))
    }

    /// - Parameter wrapper: the present key of the role.
    package init(
        id: Int64, _ key: SystemKey, under wrapper: RoleKey, vault: VaultID, createdAt: VaultInstant
    ) {
        self.init(
            id: id, purpose: key.purpose, keyID: Int64(key.keyID), state: key.isCurrent ? .current : .retired,
            epoch: Int64(wrapper.epoch),
            wrapped: KeyWrap.wrap(
                key.key, under: wrapper.key, epoch: wrapper.epoch,
                for: Keyring.wrapContext(vault, systemKey: id)),
            createdAt: createdAt, role: key.role)
    }
}

extension Keyring {
    /// Unwraps the keys of the database that `opened` leads to, and then checks the tags of their rows and of the
    /// keyslots.
    package static func load(_ database: Database, vault: VaultRow, opened: OpenedKey) throws -> Keyring {
        let epoch = UInt32(truncatingIfNeeded: vault.keyEpoch)
        let layouts = [TableLayout.roleKeys, .systemKeys, .keyslots, .incarnations]
        var rows: [StoredRow] = []
        try database.ask(layouts.map { StoreQuestion($0.selectSQL + " ORDER BY id") }) {
            rows.append(StoredRow(unchecked: $1, layouts[$0]))
        }
        let roleKeys = try RoleKeys(
            rows.filter { $0.layout === TableLayout.roleKeys }.map(RoleKeyRow.init), openedBy: opened,
            epoch: epoch, vault: vault.id)
        let keys = try rows.filter { $0.layout === TableLayout.systemKeys }.compactMap { row -> SystemKey? in
            let row = try SystemKeyRow(row)
            guard roleKeys.isHeld(row.role) else { return nil }
            guard let keyID = UInt8(exactly: row.keyID) else {
                throw VaultError(
                    .integrity, "A system key has an invalid number.", remedy: "Restore a backup.")
            }
            return SystemKey(
                purpose: row.purpose, role: row.role, keyID: keyID, isCurrent: row.state == .current,
                key: try row.unwrapped(roleKeys, vault.id))
        }
        let incarnation = try database.newestIncarnation()
        let keyring = try Keyring(
            vault: vault.id, epoch: epoch, opened: opened, roleKeys: roleKeys, keys: keys,
            origin: LogHead.origin(of: vault.id, incarnation: incarnation))
        // The wraps opened; that nobody edited the rows around them is shown by their tags.
        if let edited = rows.first(where: { $0.isTagged(by: keyring.rows) == false }) {
            throw edited.isEdited
        }
        return keyring
    }

    package static func wrapContext(_ vault: VaultID, systemKey row: Int64) -> AssociatedData {
        wrapContext(vault, .systemKeys, "wrapped", row)
    }

    /// Bound to kind and role as well: what is held of a slot opens no other kind, and no other role.
    static func wrapContext(_ vault: VaultID, keyslot row: Int64, _ record: KeyslotRecord) -> AssociatedData {
        wrapContext(
            vault, .keyslotDetails, "held", row,
            generation: UInt64(clamping: record.kind.rawValue) << 16 | UInt64(record.role))
    }

    /// What a wrapped key is bound to.
    private static func wrapContext(
        _ vault: VaultID, _ layout: TableLayout, _ column: String, _ row: Int64, generation: UInt64 = 0
    ) -> AssociatedData {
        AssociatedData(
            domain: SealedTable.wrapDomain, vault: vault, owner: .system, table: layout.number,
            column: layout.columnNumber(column), row: row, generation: generation)
    }

    /// What a sealed column of a row is bound to.
    package func context(
        _ layout: TableLayout, _ column: String, row: Int64, of owner: OwnerID = .system,
        generation: UInt64 = 0
    ) -> AssociatedData {
        context(
            owner: owner, table: layout.number, column: layout.columnNumber(column), row: row,
            generation: generation)
    }

    /// What a sealed field is bound to.
    package func context(
        owner: OwnerID, table: UInt16, column: UInt16, row: Int64, generation: UInt64 = 0
    ) -> AssociatedData {
        AssociatedData(
            domain: SealedTable.fieldDomain, vault: vault, owner: owner, table: table, column: column,
            row: row, generation: generation)
    }
}

/// What tags tokens and secrets: the current key, and every other that rows name.
package struct TagKeys: Sendable {
    package let current: TagKey
    /// The current one among them.
    package let all: [UInt8: TagKey]

    fileprivate init(_ keys: RowKeys) {
        current = keys.current
        all = Dictionary(([keys.current] + keys.retired).map { ($0.id, $0) }) { first, _ in first }
    }
}
