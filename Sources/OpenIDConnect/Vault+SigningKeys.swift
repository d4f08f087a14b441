package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

/// A key that signs id_tokens, or did and is still published.
package struct StoredSigningKey: Sendable {
    private let row: SigningKeyRow
    /// In the form that was chosen when it was added.
    package let privateKey: SecretBytes

    package var kid: String { row.kid }
    package var algorithm: SigningAlgorithm { row.algorithm }
    /// A retired one signs no more; tokens it signed may still be about.
    package var state: KeyState { row.state }
    package var createdAt: VaultInstant { row.createdAt }
    /// Until when a retired key stays in the key set; nil while it is current.
    package var publishedUntil: VaultInstant? { row.publishedUntil }
    package var publicJWK: String { row.publicJWK }
}

extension Vault {
    /// Every key that is current, or retired and still published, oldest first.
    package func signingKeys() async throws -> [StoredSigningKey] {
        let knownSigningKeys = companion(KnownOfRegistry<[StoredSigningKey]>())
        let keys = try await snapshot { database, keys in
            let systemKey = try keys.system.key(.issuer)
            let revision = try keys.checkedRevision(database)
            if let known = knownSigningKeys.value(revision) { return known }
            let rows = try database.loadAll(SigningKeyRow.self, where: "true ORDER BY id", [], keys.keyring)
            let keys = try rows.map { try StoredSigningKey($0, keys.keyring, systemKey) }
            knownSigningKeys.keep(keys, revision)
            return keys
        }
        let now = clock.now()
        return keys.filter { key in key.publishedUntil.map { now < $0 } ?? true }
    }

    /// Adds a key, which from now on is the current one of its algorithm.
    ///
    /// - Parameters:
    ///   - keepPublishedFor: how long the public parts of those before stay in the key set, at most: as long as a token
    ///     they signed may live, or not at all after a leak.
    ///   - isFirstOnly: do nothing when the algorithm has a current key, as when two processes start at once.
    /// - Returns: whether it was added.
    /// - Throws: ``VaultError/Code/alreadyExists`` (the identifier), ``VaultError/Code/invalidInput``.
    @discardableResult
    package func addSigningKey(
        kid: String, algorithm: SigningAlgorithm, privateKey: SecretBytes, publicJWK: String,
        retiringCurrent keepPublishedFor: Duration, isFirstOnly: Bool = false
    ) async throws -> Bool {
        guard (1...Limits.nameBytes).contains(kid.utf8.count), publicJWK.utf8.count <= Limits.keySetBytes
        else { throw invalid("A key identifier has 1 to \(Limits.nameBytes) bytes.") }
        return try await queue.submit(.newWork) { [operatorActor] transaction in
            let systemKey = try transaction.systemKey(.issuer)
            let rows = try transaction.query(SigningKeyRow.self)
            let older = rows.filter { $0.algorithm == algorithm }
            guard !isFirstOnly || !older.contains(where: { $0.state == .current }) else {
                return .unchanged(false)
            }
            guard !rows.contains(where: { $0.kid == kid }) else {
                throw VaultError(.alreadyExists, "There is a signing key of this identifier.")
            }
            let end = transaction.now.advanced(by: keepPublishedFor)
            for var row in older where row.publishedUntil.map({ end < $0 }) ?? true {
                row.state = .retired
                row.publishedUntil = end
                try transaction.update(row)
            }
            let gone = rows.filter { row in row.publishedUntil.map { $0 <= transaction.now } ?? false }
            for row in gone.prefix(Limits.purgedRowsPerWrite) where transaction.clocksAgree {
                try transaction.delete(.signingKeys, id: row.id)
            }
            let id = transaction.next(\.nextKeyID)
            let sealed = try privateKey.withExposed {
                try SealedField.seal(
                    $0, under: systemKey,
                    for: transaction.keyring.context(.signingKeys, "private_key", row: id),
                    padded: true)
            }
            try transaction.insert(
                SigningKeyRow(
                    id: id, kid: kid, algorithm: algorithm, state: .current, createdAt: transaction.now,
                    publishedUntil: nil, privateKey: sealed, publicJWK: publicJWK))
            return Audited(
                true, AuditEvent(.signingKeyAdd, by: operatorActor, reason: algorithm.rawValue))
        }
    }
}

extension StoredSigningKey {
    fileprivate init(_ row: SigningKeyRow, _ keyring: Keyring, _ systemKey: OwnerKey) throws {
        self.row = row
        privateKey = SecretBytes(
            try SealedField.open(
                row.privateKey, with: systemKey,
                for: keyring.context(.signingKeys, "private_key", row: row.id)))
    }
}
