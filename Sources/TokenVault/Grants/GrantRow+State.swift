import Foundation
import TokenRotation
import VaultCore
import VaultCrypto
import VaultStore

extension GrantRow {
    static let pairColumn = columnNumber("pair")
    static let contextColumn = columnNumber("context")
}

/// What an authentic handle proves of a grant row: that it knows the family secret, and which tokens are its.
struct HandleProof {
    let isFamilyProven: Bool
    private let key: TagKey

    /// - Throws: ``VaultError/Code/integrity`` when the key is gone: it is kept while there is a row of it.
    init(_ handle: TokenHandle, familyTag: [UInt8], tagKeyID: Int64, _ keyring: Keyring) throws {
        key = try keyring.tagKey(tagKeyID)
        isFamilyProven = ConstantTime.equal(familyTag, key.tag(.familySecret, of: handle.familySecret))
    }

    func isToken(_ token: SecretBytes, _ tag: [UInt8]?) -> Bool {
        guard let tag else { return false }
        return ConstantTime.equal(tag, key.tag(.token, of: token))
    }
}

extension Keyring {
    /// The key that a row's tags were made with.
    func tagKey(_ id: Int64) throws -> TagKey {
        guard let key = try issuerTags.all[UInt8(truncatingIfNeeded: id)] else {
            throw VaultError(.integrity, "A grant was tagged with a key this vault does not have.")
        }
        return key
    }
}

extension OwnerStanding {
    /// Of a grant: its user and its client must both stand, and neither may have revoked since.
    init(_ row: borrowing GrantRow, owner: Owner?, clientRevocations: Int64) {
        self.init(
            owner, ownerRevocations: row.ownerRevocations,
            isRevokedByClient: clientRevocations > row.clientRevocations)
    }

    /// - Parameter ownerRevocations: the owner's count when the grant was issued.
    init(_ owner: Owner?, ownerRevocations: Int64, isRevokedByClient: Bool) {
        self =
            if let owner, owner.row.state != .removed {
                if owner.row.state == .disabled {
                    .disabled
                } else if owner.row.revocations > ownerRevocations || isRevokedByClient {
                    .revokedSinceIssue
                } else {
                    .good
                }
            } else {
                .erased
            }
    }
}

extension GrantState {
    init(_ row: GrantRow, _ transaction: WriteTransaction) throws {
        let standing = OwnerStanding(
            row, owner: try transaction.owner(row.owner),
            clientRevocations: try transaction.revocations(of: row.client))
        self.init(
            generation: row.generation, status: row.status, owner: standing, createdAt: row.createdAt,
            codeExpiresAt: row.generation == 0 ? row.idleExpiresAt : row.createdAt, lastSwap: row.swappedAt,
            isFirstUseSeen: transaction.isFirstUseSeen(row),
            accessExpiresAt: row.access?.expiresAt ?? row.createdAt,
            isMovedByStaleToken: row.isMovedByStaleToken, idleExpiresAt: row.idleExpiresAt,
            absoluteExpiresAt: row.absoluteExpiresAt, scope: row.scope,
            currentScope: row.access?.scope ?? row.scope)
    }
}

extension WriteTransaction {
    func proof(of handle: TokenHandle, _ row: GrantRow) throws -> HandleProof {
        try HandleProof(handle, familyTag: row.familyTag, tagKeyID: row.tagKeyID, keyring)
    }

    func context(of row: GrantRow) throws -> GrantContext {
        guard let owner = try owner(row.owner) else { return GrantContext() }
        return try row.unsealedContext(owner, keyring)
    }
}

extension GrantRow {
    /// The last swap was made with a token that was not the current one. The access token before, which was over then, is not
    /// kept: that tells.
    var isMovedByStaleToken: Bool { generation > 1 && previousAccess == nil }

    /// Counts a token that strict rotation would have revoked the grant for.
    ///
    /// - Returns: the reason for the log; nil where this minute's entry was made.
    mutating func countStaleUse(at now: VaultInstant) -> String? {
        let minute: Int64 = 60_000
        let last = lastStaleAt.map { $0.millisecondsSince1970 / minute }
        staleUses = (staleUses ?? 0) &+ 1
        lastStaleAt = now
        return last == now.millisecondsSince1970 / minute ? nil : RotationRules.staleUse
    }

    /// Unseals what was bound to the grant when it was authorized.
    func unsealedContext(_ owner: Owner, _ keyring: Keyring) throws -> GrantContext {
        guard let context else { return GrantContext() }
        let bytes = try SealedField.open(
            context, with: owner.key(.issuer),
            for: keyring.context(
                owner: self.owner, table: TableLayout.grants.number, column: Self.contextColumn,
                row: id.rawValue))
        return try JSONDecoder().decode(GrantContext.self, from: Data(bytes))
    }

    /// Unseals the current token pair.
    func unsealedPair(_ owner: Owner, _ keyring: Keyring) throws -> TokenPair {
        guard let pair else { throw VaultError(.integrity, "A grant has lost its token pair.") }
        let bytes = try SealedField.open(
            pair, with: owner.key(.issuer),
            for: keyring.context(
                owner: self.owner, table: TableLayout.grants.number, column: Self.pairColumn,
                row: id.rawValue,
                generation: UInt64(generation)))
        guard let tokens = TokenPair(sealedForm: bytes) else {
            throw VaultError(.integrity, "A sealed token pair is malformed.")
        }
        return tokens
    }
}
