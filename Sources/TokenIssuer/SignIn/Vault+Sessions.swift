package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

/// A user who signed in, as the cookie of a browser proves it.
package struct SignInSession: Sendable {
    /// 32 hexadecimal digits; names the session, and opens nothing.
    package let id: String
    package let user: User
    package let signedInAt: VaultInstant
    package let expiresAt: VaultInstant
}

/// What the cookie of a session says, sealed.
///
/// ```
/// id 16 ‖ user i64 ‖ signed in at i64 ‖ expires at i64 ‖ the user's revocations i64 ‖ password version i64
/// ```
struct SignInCookie: Sendable, Equatable {
    static let idBytes = 16
    let id: [UInt8]
    let user: OwnerID
    let signedInAt: VaultInstant
    let expiresAt: VaultInstant
    /// Revoking every grant of the user ends the session too.
    let revocations: Int64
    /// Another password ends it as well.
    let passwordVersion: Int64
}

extension SignInCookie {
    init?(_ plaintext: [UInt8]) {
        var reader = ByteReader(plaintext)
        guard let id = reader.take(Self.idBytes), let user: Int64 = reader.number(),
            let signedInAt: Int64 = reader.number(), let expiresAt: Int64 = reader.number(),
            let revocations: Int64 = reader.number(), let passwordVersion: Int64 = reader.number(),
            reader.isAtEnd
        else { return nil }
        self.init(
            id: id, user: OwnerID(user), signedInAt: VaultInstant(millisecondsSince1970: signedInAt),
            expiresAt: VaultInstant(millisecondsSince1970: expiresAt), revocations: revocations,
            passwordVersion: passwordVersion)
    }

    var plaintext: [UInt8] {
        var bytes = id
        for number in [
            user.rawValue, signedInAt.millisecondsSince1970, expiresAt.millisecondsSince1970, revocations,
            passwordVersion,
        ] { bytes.append(bigEndian: number) }
        return bytes
    }
}

extension Vault {
    /// Begins a session: the value of a cookie that proves who signed in, and when.
    ///
    /// - Parameters:
    ///   - signedInAt: when the user gave the password, or proved by other means who it is.
    ///   - lifetime: at most ``Limits/sessionLifetime``; nothing prolongs it.
    /// - Returns: characters of base64url.
    package func startSession(
        user: OwnerID, signedInAt: VaultInstant, lifetime: Duration
    ) async throws -> SecretBytes {
        let lifetime = min(lifetime, Limits.sessionLifetime)
        let cookie = try await housekeep { transaction in
            guard let owner = try transaction.owner(user), owner.row.kind == .user,
                owner.row.state == .active
            else { throw VaultError(.denied, "The user is disabled.") }
            transaction.purge("sign_in_sessions")
            let cookie = SignInCookie(
                id: SystemRandom().bytes(SignInCookie.idBytes), user: user, signedInAt: signedInAt,
                expiresAt: transaction.now.advanced(by: lifetime), revocations: owner.row.revocations,
                passwordVersion: try transaction.load(PasswordRow.self, user.rawValue)?.row.version ?? 0)
            transaction.put(
                RowWrite(
                    "INSERT INTO sign_in_sessions (id, expires_at) VALUES (?, ?)",
                    [.blob(cookie.id), SQLValue(cookie.expiresAt)]))
            return cookie
        }
        return try sealState(cookie.plaintext, table: SealedTable.signInCookies)
    }

    /// The session of a cookie, as of now. Nil if the cookie is not ours, or the session has ended: by its time,
    /// by sign-out, because the user was disabled, got another password, or had every grant revoked.
    package func session(_ value: SecretBytes) async throws -> SignInSession? {
        guard let cookie = cookie(value), clock.now() < cookie.expiresAt else { return nil }
        return try await snapshot { [registry] database, keys in
            let keyring = keys.keyring
            let isOpen = try database.finds(
                "SELECT 1 FROM sign_in_sessions WHERE id = ?", [.blob(cookie.id)])
            let revision = try keys.checkedRevision(database)
            guard isOpen,
                let owner = try registry.owner(cookie.user, database, keyring, revision: revision),
                owner.row.kind == .user, owner.row.state == .active,
                owner.row.revocations == cookie.revocations
            else { return nil }
            let version = try database.load(PasswordRow.self, cookie.user.rawValue, keyring)?.row.version
            guard version ?? 0 == cookie.passwordVersion else { return nil }
            return SignInSession(
                id: Hex.encode(cookie.id), user: try User(owner, keyring), signedInAt: cookie.signedInAt,
                expiresAt: cookie.expiresAt)
        }
    }

    /// Ends a session: signs the user out of this browser. A cookie that is not ours has no session to end.
    package func endSession(_ value: SecretBytes) async throws {
        guard let cookie = cookie(value) else { return }
        try await housekeep { transaction in
            transaction.put(RowWrite("DELETE FROM sign_in_sessions WHERE id = ?", [.blob(cookie.id)]))
        }
    }

    private func cookie(_ value: SecretBytes) -> SignInCookie? {
        unsealState(value, table: SealedTable.signInCookies).flatMap(SignInCookie.init)
    }
}

/// State that a browser keeps for us, so that we need no row for it: sealed, with a purpose and an end.
///
/// ```
/// plaintext = expiry i64 ‖ length of purpose u16 ‖ purpose ‖ bytes        numbers big endian
/// text      = base64url(sealed field of the system, table 13, column 1, row 0)
/// ```
extension Vault {
    /// Seals `bytes`, to be opened for the same `purpose` within `lifetime`; touches no disk.
    ///
    /// - Returns: characters of base64url.
    package func sealed(_ bytes: [UInt8], purpose: String, lifetime: Duration) throws -> SecretBytes {
        var plaintext: [UInt8] = []
        plaintext.append(bigEndian: clock.now().advanced(by: lifetime).millisecondsSince1970)
        plaintext.append(bigEndian: UInt16(truncatingIfNeeded: purpose.utf8.count))
        plaintext += purpose.utf8
        plaintext += bytes
        return try sealState(plaintext, table: SealedTable.sealedState)
    }

    /// What was sealed, or nil for anything that was not sealed by this vault for this purpose, or is over.
    package func unseal(_ value: SecretBytes, purpose: String) -> [UInt8]? {
        guard let plaintext = unsealState(value, table: SealedTable.sealedState) else { return nil }
        var reader = ByteReader(plaintext)
        guard let expiry: Int64 = reader.number(), let named = reader.counted(UInt16.self, limit: .max),
            named.elementsEqual(purpose.utf8),
            clock.now() < VaultInstant(millisecondsSince1970: expiry)
        else { return nil }
        return reader.rest
    }

    func sealState(_ plaintext: [UInt8], table: UInt16) throws -> SecretBytes {
        let record = try SealedField.seal(
            plaintext, under: liveKeys.current.system.key(.issuer), for: stateContext(table), padded: false,
            limit: Limits.sealedStateBytes)
        return SecretBytes(Base64URL.encode(record))
    }

    func unsealState(_ value: SecretBytes, table: UInt16) -> [UInt8]? {
        value.withExposed { text in
            guard text.count <= 2 * Limits.sealedStateBytes, let record = Base64URL.decode(text) else {
                return nil
            }
            return try? SealedField.open(
                record, with: liveKeys.current.system.key(.issuer), for: stateContext(table),
                limit: Limits.sealedStateBytes)
        }
    }

    private func stateContext(_ table: UInt16) -> AssociatedData {
        keyring.context(owner: .system, table: table, column: 1, row: 0)
    }
}
