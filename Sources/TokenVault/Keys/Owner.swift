package import VaultCore
package import VaultCrypto
package import VaultStore

/// An owner as read and checked: its row, its keys under the roles that are held, and its name in the log.
package final class Owner: Sendable {
    package let row: OwnerRow
    package let pseudonym: Pseudonym
    private let keys: [KeyRole: OwnerKey]
    private let roles: RoleKeys

    package init(_ row: OwnerRow, _ keys: [OwnerKeyRow], _ keyring: Keyring) throws {
        guard let sealedPseudonym = row.pseudonym else {
            throw VaultError(.notFound, "This owner was erased.")
        }
        self.keys = try Dictionary(keys.map { ($0.role, try $0.opened(keyring.roleKeys, keyring.vault)) }) {
            $1
        }
        self.row = row
        roles = keyring.roleKeys
        guard let common = self.keys[.common] else { throw Self.keyless }
        let bytes = try SealedField.open(
            sealedPseudonym, with: common, for: Self.context(row.id, column: "pseudonym", keyring))
        guard let pseudonym = Pseudonym(bytes: bytes) else {
            throw VaultError(.integrity, "A pseudonym has the wrong length.")
        }
        self.pseudonym = pseudonym
    }

    /// A new owner, identity and pseudonym sealed under the common one of its new keys.
    init(
        creating id: OwnerID, kind: OwnerKind, identity: [UInt8], lookupTag: [UInt8]?, keys: [OwnerKeyRow],
        keyring: Keyring, now: VaultInstant
    ) throws {
        self.keys = try Dictionary(keys.map { ($0.role, try $0.opened(keyring.roleKeys, keyring.vault)) }) {
            $1
        }
        roles = keyring.roleKeys
        guard let common = self.keys[.common] else { throw Self.keyless }
        pseudonym = Pseudonym(bytes: SystemRandom().bytes(Pseudonym.byteCount)) ?? Self.unreachable()
        row = OwnerRow(
            id: id, kind: kind, state: .active, revocations: 0, lookupTag: lookupTag,
            identity: try Self.seal(identity, under: common, id, column: "identity", keyring),
            pseudonym: try Self.seal(pseudonym.bytes, under: common, id, column: "pseudonym", keyring),
            createdAt: now)
    }

    /// Whether something was ever sealed for this owner under a role that is held.
    func hasKey(_ role: KeyRole) -> Bool { keys[role] != nil }

    /// What opens and seals the owner's records of one role.
    ///
    /// - Throws: ``VaultError/Code/denied`` for a role that is not held, ``VaultError/Code/integrity`` where nothing was
    ///   ever sealed under it.
    package func key(_ role: KeyRole) throws -> OwnerKey {
        if let key = keys[role] { return key }
        throw roles.isHeld(role) ? Self.keyless : VaultError.needs(role)
    }

    /// The identity: a user's name, a client's identifier and name.
    package func identity(_ keyring: Keyring) throws -> [UInt8] {
        guard let sealed = row.identity else { return [] }
        return try SealedField.open(
            sealed, with: key(.common), for: Self.context(row.id, column: "identity", keyring))
    }

    /// What clients are told of a user; nil: nothing.
    package func claims(_ keyring: Keyring) throws -> [UInt8]? {
        try row.claims.map {
            try SealedField.open(
                $0, with: key(.common), for: Self.context(row.id, column: "claims", keyring))
        }
    }

    /// A row of this owner with other claims in it; nil: none.
    package func row(_ row: OwnerRow, telling claims: [UInt8]?, _ keyring: Keyring) throws -> OwnerRow {
        var row = row
        row.claims = try claims.map {
            try Self.seal($0, under: key(.common), row.id, column: "claims", keyring)
        }
        return row
    }

    private static func context(_ id: OwnerID, column: String, _ keyring: Keyring) -> AssociatedData {
        keyring.context(.owners, column, row: id.rawValue, of: id)
    }

    private static func seal(
        _ bytes: [UInt8], under key: OwnerKey, _ id: OwnerID, column: String, _ keyring: Keyring
    ) throws -> [UInt8] {
        try SealedField.seal(
            bytes, under: key, for: context(id, column: column, keyring), padded: column != "pseudonym")
    }

    /// This owner's row with what is sealed in it sealed under another common key.
    package func resealed(under key: OwnerKey, _ keyring: Keyring) throws -> OwnerRow {
        var row = row
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

    private static let keyless = VaultError(
        .integrity, "A key of an owner is missing.",
        remedy: "Verify the audit log, then restore a backup.")

    private static func unreachable() -> Pseudonym {
        preconditionFailure("a pseudonym is made with its own length")
    }
}

extension Database {
    /// An owner that was not erased, read and checked. Nil also for one that never was.
    package func owner(_ id: OwnerID, _ keyring: Keyring) throws -> Owner? {
        guard let row = try load(OwnerRow.self, id.rawValue, keyring)?.row else {
            guard try !hasLost(.owners, id.rawValue) else { throw LostRow.error(.owners, id.rawValue) }
            return nil
        }
        guard row.pseudonym != nil else { return nil }
        return try Owner(row, ownerKeys(of: id, keyring), keyring)
    }

    /// The keys of an owner under the roles that are held.
    package func ownerKeys(of id: OwnerID, _ keyring: Keyring) throws -> [OwnerKeyRow] {
        let first = OwnerKeyRow.id(id, .common)
        return try rows(
            OwnerKeyRow.layout.selectSQL + " WHERE id >= ? AND id < ?",
            [.integer(first), .integer(first + 4)]
        ) { cursor in
            guard let role = KeyRole(rawValue: cursor.integer(0) - first), keyring.rows[role] != nil else {
                return nil
            }
            return try OwnerKeyRow(StoredRow(reading: cursor, OwnerKeyRow.layout, rowKey: keyring.rows))
        }
    }
}
