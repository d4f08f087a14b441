import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// The keys of an open vault: the root key and the system keys under it, all in guarded memory. One value
/// never changes; ``LiveKeys`` replaces it when keys are rotated.
final class Keyring: Sendable {
    let vault: VaultID
    let epoch: UInt32
    let root: GuardedKey
    /// Root keys of earlier epochs, by epoch, while something is still wrapped under them.
    let retiredRoots: [UInt32: GuardedKey]
    let handles: HandleSealer
    /// Tags of tokens and secrets, by key id; rows say under which id theirs were made.
    let tags: [UInt8: TagKey]
    let currentTags: TagKey
    let lookup: RowKeys
    let rows: RowKeys
    /// Sums up the rows of the registry.
    let rowSet: RowSetKey
    let signer: NoteSigner

    /// Key ids are per purpose, from 1; exactly one key of each purpose is current.
    ///
    /// - Parameter origin: of the log, when the vault was restored.
    init(
        vault: VaultID, epoch: UInt32, root: GuardedKey, retiredRoots: [UInt32: GuardedKey] = [:],
        keys: [SystemKey], origin: String? = nil
    ) throws {
        func all(_ purpose: SystemKeyPurpose) -> [SystemKey] { keys.filter { $0.purpose == purpose } }
        func current(_ purpose: SystemKeyPurpose) throws -> SystemKey {
            let current = all(purpose).filter(\.isCurrent)
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
        func tagKey(_ key: SystemKey) -> TagKey { TagKey(id: key.keyID, key: key.key) }
        func rowKeys(_ purpose: SystemKeyPurpose) throws -> RowKeys {
            let retired = all(purpose).filter { !$0.isCurrent }
            return RowKeys(tagKey(try current(purpose)), retired: retired.map(tagKey))
        }
        self.vault = vault
        self.epoch = epoch
        self.root = root
        self.retiredRoots = retiredRoots
        handles = try HandleSealer(
            vault: vault,
            keys: Dictionary(all(.handles).map { ($0.keyID, $0.key) }) { first, _ in first },
            current: try current(.handles).keyID)
        tags = Dictionary(all(.tags).map { ($0.keyID, tagKey($0)) }) { first, _ in first }
        currentTags = tagKey(try current(.tags))
        lookup = try rowKeys(.lookup)
        rows = try rowKeys(.rows)
        rowSet = RowSetKey(try current(.rowSet).key)
        let signing = SigningKey(seed: try current(.logSigning).key)
        guard let signer = NoteSigner(name: origin ?? LogHead.origin(of: vault), key: signing) else {
            throw VaultError(.internalError, "The log's origin is not a key name.")
        }
        self.signer = signer
    }

    /// The same keys; rows are compared with `roster`.
    func showing(_ roster: LiveRoster) -> Keyring { Keyring(self, roster) }

    private init(_ other: Keyring, _ roster: LiveRoster) {
        (vault, epoch, root, retiredRoots) = (other.vault, other.epoch, other.root, other.retiredRoots)
        (handles, tags, currentTags) = (other.handles, other.tags, other.currentTags)
        (lookup, rowSet, signer) = (other.lookup, other.rowSet, other.signer)
        rows = RowKeys(other.rows.current, retired: other.rows.retired, roster: roster)
    }

    /// The root key of an epoch.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for one that was destroyed or never was.
    func root(ofEpoch epoch: Int64) throws -> GuardedKey {
        if epoch == Int64(self.epoch) { return root }
        guard let key = UInt32(exactly: epoch).flatMap({ retiredRoots[$0] }) else {
            throw VaultError(
                .integrity, "A key is wrapped under a root key that is no longer there.",
                remedy: "Run 'tokenvault audit verify', then restore a backup.")
        }
        return key
    }
}

/// A system key, unwrapped.
struct SystemKey: Sendable {
    let purpose: SystemKeyPurpose
    let keyID: UInt8
    let isCurrent: Bool
    let key: GuardedKey
}

extension Keyring {
    /// Unwraps the keys of the database and then checks the tags of their rows and of the keyslots.
    static func load(_ database: Database, vault: VaultRow, root: GuardedKey) throws -> Keyring {
        let epoch = UInt32(truncatingIfNeeded: vault.keyEpoch)
        var rows: [StoredRow] = []
        for layout in [TableLayout.retiredRoots, .systemKeys, .keyslots, .incarnations] {
            try database.forEachRow(layout.selectSQL + " ORDER BY id") { cursor in
                rows.append(StoredRow(unchecked: cursor, layout))
                return true
            }
        }
        var retiredRoots: [UInt32: GuardedKey] = [:]
        for row in rows where row.layout === TableLayout.retiredRoots {
            let retired = try RetiredRootRow(row)
            retiredRoots[UInt32(truncatingIfNeeded: retired.id)] = try KeyWrap.unwrap(
                retired.wrapped, with: root, epoch: epoch, for: wrapContext(vault.id, retiredRoot: retired.id)
            )
        }
        let keys = try rows.filter { $0.layout === TableLayout.systemKeys }.map { row in
            let row = try SystemKeyRow(row)
            let itsEpoch = UInt32(truncatingIfNeeded: row.epoch)
            guard let keyID = UInt8(exactly: row.keyID),
                let itsRoot = itsEpoch == epoch ? root : retiredRoots[itsEpoch]
            else {
                throw VaultError(
                    .integrity, "A system key is wrapped under a root key that is no longer there.",
                    remedy: "Restore a backup.")
            }
            let key = try KeyWrap.unwrap(
                row.wrapped, with: itsRoot, epoch: itsEpoch, for: wrapContext(vault.id, systemKey: row.id))
            return SystemKey(
                purpose: row.purpose, keyID: keyID, isCurrent: row.state == .current, key: key)
        }
        let incarnation = try database.newestIncarnation()
        let keyring = try Keyring(
            vault: vault.id, epoch: epoch, root: root, retiredRoots: retiredRoots, keys: keys,
            origin: LogHead.origin(of: vault.id, incarnation: incarnation))
        // The wraps opened; that nobody edited the rows around them is shown by their tags.
        if let edited = rows.first(where: { !$0.isTagged(by: keyring.rows) }) { throw edited.isEdited }
        return keyring
    }

    static func wrapContext(_ vault: VaultID, systemKey row: Int64) -> AssociatedData {
        wrapContext(vault, .systemKeys, "wrapped", row)
    }

    static func wrapContext(_ vault: VaultID, retiredRoot epoch: Int64) -> AssociatedData {
        wrapContext(vault, .retiredRoots, "wrapped", epoch)
    }

    static func wrapContext(_ vault: VaultID, previousKeyOf owner: OwnerID) -> AssociatedData {
        wrapContext(vault, .previousOwnerKeys, "wrapped_key", owner.rawValue, owner)
    }

    static func wrapContext(_ vault: VaultID, owner: OwnerID) -> AssociatedData {
        wrapContext(vault, .owners, "wrapped_key", owner.rawValue, owner)
    }

    static func wrapContext(_ vault: VaultID, keyslot row: Int64) -> AssociatedData {
        wrapContext(vault, .keyslotDetails, "held", row)
    }

    /// What a wrapped key is bound to.
    private static func wrapContext(
        _ vault: VaultID, _ layout: TableLayout, _ column: String, _ row: Int64, _ owner: OwnerID = .system
    ) -> AssociatedData {
        AssociatedData(
            domain: SealedTable.wrapDomain, vault: vault, owner: owner, table: layout.number,
            column: layout.columnNumber(column), row: row, generation: 0)
    }

    /// What a sealed field is bound to.
    func context(
        owner: OwnerID, table: UInt16, column: UInt16, row: Int64, generation: UInt64 = 0
    ) -> AssociatedData {
        AssociatedData(
            domain: SealedTable.fieldDomain, vault: vault, owner: owner, table: table, column: column,
            row: row, generation: generation)
    }
}

/// What tags rows, or finds them by a value: the current key, and those before while rows may still be tagged by them.
struct RowKeys: Sendable {
    let current: TagKey
    let retired: [TagKey]
    /// What is read is compared with it, too; nil: by those who look at single rows.
    let roster: LiveRoster?

    init(_ current: TagKey, retired: [TagKey] = [], roster: LiveRoster? = nil) {
        self.current = current
        self.retired = retired
        self.roster = roster
    }

    /// The tag of a row about to be written.
    func rowTag(over bytes: [UInt8]) -> [UInt8] { current.rowTag(over: bytes) }

    /// Whether a stored tag is the one that these bytes ask for.
    func isTag(_ stored: [UInt8], of bytes: [UInt8]) -> Bool {
        if ConstantTime.equal(stored, current.rowTag(over: bytes)) { return true }
        return retired.contains { ConstantTime.equal(stored, $0.rowTag(over: bytes)) }
    }

    /// The tag of a value about to be written.
    func tag(_ purpose: TagPurpose, of bytes: [UInt8]) -> [UInt8] { current.tag(purpose, of: bytes) }

    /// Every tag under which the value may be found, the current one first.
    func tags(_ purpose: TagPurpose, of bytes: [UInt8]) -> [[UInt8]] {
        [tag(purpose, of: bytes)] + retired.map { $0.tag(purpose, of: bytes) }
    }
}
