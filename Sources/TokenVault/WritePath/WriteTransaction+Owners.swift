package import VaultCore
package import VaultCrypto
package import VaultStore

/// Users, clients and the vault's own owner, as of now: their keys, and what is made and counted for them.
extension WriteTransaction {
    /// Seals what belongs to no user and no client.
    package func systemKey(_ role: KeyRole) throws -> OwnerKey {
        guard let system = try owner(.system) else { throw VaultRow.damaged }
        return try system.key(role)
    }

    package func owner(_ id: OwnerID) throws -> Owner? {
        if let known = registry.knownOwner(id, revision: registryRevision) { return known }
        guard let row = try load(OwnerRow.self, id.rawValue)?.row else {
            guard try appliedRows.hasLost(.owners, id.rawValue) else { return nil }
            throw LostRow.error(.owners, id.rawValue)
        }
        guard row.pseudonym != nil else { return nil }
        let keys = try KeyRole.allCases.filter { keyring.rows[$0] != nil }
            .compactMap { try load(OwnerKeyRow.self, OwnerKeyRow.id(id, $0))?.row }
        let owner = try Owner(row, keys, keyring)
        registry.keep(owner, revision: registryRevision)
        return owner
    }

    /// The owner with a key under `role`, made now where this is the first time that something is sealed under it.
    package func owner(_ id: OwnerID, sealingFor role: KeyRole) throws -> Owner? {
        guard let owner = try owner(id) else { return nil }
        if owner.hasKey(role) { return owner }
        try insert(OwnerKeyRow(making: id, role, keyring))
        return try self.owner(id)
    }

    /// A new owner with its row and its keys.
    func makeOwner(
        _ id: OwnerID, kind: OwnerKind, identity: [UInt8], lookupTag: [UInt8]?, roles: [KeyRole] = [.common]
    ) throws -> Owner {
        let keys = try roles.map { try OwnerKeyRow(making: id, $0, keyring) }
        let owner = try Owner(
            creating: id, kind: kind, identity: identity, lookupTag: lookupTag, keys: keys, keyring: keyring,
            now: now)
        try insert(owner.row)
        for key in keys { try insert(key) }
        return owner
    }

    package func client(_ id: OwnerID) throws -> Client? {
        if let known = registry.knownClient(id, revision: registryRevision) { return known }
        guard let owner = try owner(id), owner.row.kind == .client else { return nil }
        guard let row = try load(ClientRow.self, id.rawValue)?.row else {
            throw LostRow.error(.clients, id.rawValue)
        }
        let secrets = try query(
            ClientSecretInfo.self, where: "client_id = ?", [.integer(id.rawValue)], { $0.client == id })
        let client = try Client(
            owner: owner, row: row, secrets: secrets.sorted { $0.generation < $1.generation },
            keyring: keyring)
        registry.keep(client, revision: registryRevision)
        return client
    }

    /// Counts a grant, connection or consent that this body creates for a user.
    ///
    /// - Returns: for the event that names the row; nil for what is no person's.
    package func countCreation(of id: OwnerID) throws -> Creation? {
        guard let (known, leaf) = try load(OwnerRow.self, id.rawValue) else {
            throw LostRow.error(.owners, id.rawValue)
        }
        guard known.kind == .user else { return nil }
        var row = known
        let creation = Creation(number: row.creations + 1, previous: row.lastCreation)
        row.creations += 1
        row.lastCreation = self.leaf
        try updateUnhashed(row, leaf: leaf)
        return creation
    }

    package func seal(
        _ plaintext: [UInt8], owner id: OwnerID, table: UInt16, column: UInt16, row: Int64,
        generation: UInt64 = 0
    ) throws -> [UInt8] {
        let role = TableLayout.tagged.first { $0.number == table }?.role ?? .common
        guard let owner = try owner(id, sealingFor: role) else {
            throw VaultError(.notFound, "The owner of the record was erased.")
        }
        return try SealedField.seal(
            plaintext, under: owner.key(role),
            for: keyring.context(owner: id, table: table, column: column, row: row, generation: generation),
            padded: true)
    }
}
