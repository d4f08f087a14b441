import GRDB
import VaultCore
import VaultCrypto

/// An owner as read and checked: its row, its key unwrapped, and its name in the log.
final class Owner: Sendable {
    let row: OwnerRow
    let key: OwnerKey
    let pseudonym: Pseudonym

    /// - Parameter previous: the key before, while records are sealed again.
    init(_ row: OwnerRow, previous: PreviousOwnerKeyRow? = nil, keyring: Keyring) throws {
        guard let wrapped = row.wrappedKey, let sealedPseudonym = row.pseudonym else {
            throw VaultError(.notFound, "This owner was erased.")
        }
        let unwrapped = try KeyWrap.unwrap(
            wrapped, with: try keyring.root(ofEpoch: row.keyEpoch),
            epoch: UInt32(truncatingIfNeeded: row.keyEpoch),
            for: Keyring.wrapContext(keyring.vault, owner: row.id))
        key = OwnerKey(
            version: UInt32(truncatingIfNeeded: row.keyVersion), key: unwrapped,
            previous: try previous?.unwrapped(keyring))
        let bytes = try SealedField.open(
            sealedPseudonym, with: key, for: Self.context(row.id, column: "pseudonym", keyring))
        guard let pseudonym = Pseudonym(bytes: bytes) else {
            throw VaultError(.integrity, "A pseudonym has the wrong length.")
        }
        self.row = row
        self.pseudonym = pseudonym
    }

    /// A new owner with a new key, identity and pseudonym sealed under it.
    init(
        creating id: OwnerID, kind: OwnerKind, identity: [UInt8], lookupTag: [UInt8]?, keyring: Keyring,
        now: VaultInstant
    ) throws {
        let random = SystemRandom()
        key = OwnerKey(version: 1, key: .random())
        pseudonym = Pseudonym(bytes: random.bytes(Pseudonym.byteCount)) ?? Self.unreachable()
        row = OwnerRow(
            id: id, kind: kind, state: .active, revocations: 0, keyVersion: 1, keyEpoch: Int64(keyring.epoch),
            wrappedKey: KeyWrap.wrap(
                key.key, under: keyring.root, epoch: keyring.epoch,
                for: Keyring.wrapContext(keyring.vault, owner: id)),
            lookupTag: lookupTag,
            identity: try Self.seal(identity, under: key, id, column: "identity", keyring),
            pseudonym: try Self.seal(pseudonym.bytes, under: key, id, column: "pseudonym", keyring),
            createdAt: now)
    }

    /// The identity: a user's name, a client's identifier and name.
    func identity(_ keyring: Keyring) throws -> [UInt8] {
        guard let sealed = row.identity else { return [] }
        return try SealedField.open(sealed, with: key, for: Self.context(row.id, column: "identity", keyring))
    }

    /// What is told of a user in id_tokens; nil: nothing.
    func claims(_ keyring: Keyring) throws -> [UInt8]? {
        try row.claims.map {
            try SealedField.open($0, with: key, for: Self.context(row.id, column: "claims", keyring))
        }
    }

    private static func context(_ id: OwnerID, column: String, _ keyring: Keyring) -> AssociatedData {
        keyring.context(
            owner: id, table: TableLayout.owners.number, column: OwnerRow.columnNumber(column),
            row: id.rawValue)
    }

    private static func seal(
        _ bytes: [UInt8], under key: OwnerKey, _ id: OwnerID, column: String, _ keyring: Keyring
    ) throws -> [UInt8] {
        try SealedField.seal(
            bytes, under: key, for: context(id, column: column, keyring), padded: column != "pseudonym")
    }

    /// This owner with its row wrapped under the present root key.
    func rewrapped(_ keyring: Keyring) -> OwnerRow { wrapped(key, keyring) }

    private func wrapped(_ key: OwnerKey, _ keyring: Keyring) -> OwnerRow {
        var row = row
        row.keyVersion = Int64(key.version)
        row.keyEpoch = Int64(keyring.epoch)
        row.wrappedKey = KeyWrap.wrap(
            key.key, under: keyring.root, epoch: keyring.epoch,
            for: Keyring.wrapContext(keyring.vault, owner: row.id))
        return row
    }

    /// This owner with another key, everything in its row sealed under that.
    func rekeyed(_ key: OwnerKey, _ keyring: Keyring) throws -> OwnerRow {
        var row = wrapped(key, keyring)
        if row.identity != nil {
            row.identity = try Self.seal(
                identity(keyring), under: key, row.id, column: "identity", keyring)
        }
        row.pseudonym = try Self.seal(pseudonym.bytes, under: key, row.id, column: "pseudonym", keyring)
        row.claims = try claims(keyring).map {
            try Self.seal($0, under: key, row.id, column: "claims", keyring)
        }
        return row
    }

    private static func unreachable() -> Pseudonym {
        preconditionFailure("a pseudonym is made with its own length")
    }
}

extension Database {
    /// An owner that was not erased, read and checked. Nil also for one that never was.
    func owner(_ id: OwnerID, _ keyring: Keyring) throws -> Owner? {
        guard let row = try load(OwnerRow.self, id.rawValue, keyring)?.row else {
            guard try !indexNames(id) else { throw LostRow.error(.owners, id.rawValue) }
            return nil
        }
        guard row.wrappedKey != nil else { return nil }
        // Mostly the table is empty; a record of the version before says that it is not.
        let previous =
            row.keyVersion > 1 ? try load(PreviousOwnerKeyRow.self, id.rawValue, keyring)?.row : nil
        return try Owner(row, previous: previous, keyring: keyring)
    }
}
