package import VaultCore

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

    init(
        id: [UInt8], user: OwnerID, signedInAt: VaultInstant, expiresAt: VaultInstant, revocations: Int64,
        passwordVersion: Int64
    ) {
        self.id = id
        self.user = user
        self.signedInAt = signedInAt
        self.expiresAt = expiresAt
        self.revocations = revocations
        self.passwordVersion = passwordVersion
    }

    init?(_ plaintext: [UInt8]) {
        var reader = LentReader(plaintext)
        guard let id = reader.bytes(Self.idBytes), let user: Int64 = reader.number(),
            let signedInAt: Int64 = reader.number(), let expiresAt: Int64 = reader.number(),
            let revocations: Int64 = reader.number(), let passwordVersion: Int64 = reader.number(),
            reader.rest.isEmpty
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
