import Foundation
public import TokenVault
public import VaultCore
import VaultStore

extension VaultUsers {
    /// What clients learn of a user by the scopes `profile` and `email`, where the issuer takes it from the vault
    /// (``ClaimSource/ofVault``).
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func claims(of user: OwnerID) async throws -> UserClaims {
        try await vault.snapshot { [registry = vault.registry] database, keys in
            let revision = try keys.checkedRevision(database)
            guard let owner = try registry.owner(user, database, keys.keyring, revision: revision),
                owner.row.kind == .user, owner.row.state != .removed
            else { throw Vault.noUser }
            return try owner.userClaims(keys.keyring)
        }
    }

    /// Changes what clients learn of a user. The log says that it changed, and not to what.
    ///
    /// - Parameter change: gets the claims as they are at that moment.
    /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/invalidInput`` for a claim that is malformed.
    @discardableResult
    public func setClaims(
        of name: String, _ change: @escaping @Sendable (inout UserClaims) -> Void
    ) async throws -> UserClaims {
        let id = try await find(name).id
        return try await vault.write { [operatorActor = vault.operatorActor] transaction in
            let keyring = transaction.keyring
            guard let owner = try transaction.owner(id), owner.row.state != .removed,
                let row = try transaction.load(OwnerRow.self, id.rawValue)?.row
            else { throw Vault.noUser }
            let old = try owner.userClaims(keyring)
            var claims = old
            change(&claims)
            guard claims != old else { return .unchanged(claims) }
            try claims.check()
            try transaction.update(owner.row(row, telling: claims, keyring))
            return Audited(
                claims, AuditEvent(.userChange, by: operatorActor, reason: "claims", subject: owner.pseudonym)
            )
        }
    }
}

extension Owner {
    func userClaims(_ keyring: Keyring) throws -> UserClaims {
        try claims(keyring).map { try JSONDecoder().decode(UserClaims.self, from: Data($0)) } ?? UserClaims()
    }

    func row(_ row: OwnerRow, telling claims: UserClaims, _ keyring: Keyring) throws -> OwnerRow {
        let bytes = claims == UserClaims() ? nil : Array(try JSONEncoder().encode(claims))
        return try self.row(row, telling: bytes, keyring)
    }
}
