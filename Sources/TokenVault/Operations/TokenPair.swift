package import VaultCore
import VaultCrypto

/// An access token and, where the grant has one, its refresh token: what one exchange hands out.
package struct TokenPair: Sendable {
    package let accessToken: SecretBytes
    package let refreshToken: SecretBytes?

    package init(accessToken: SecretBytes, refreshToken: SecretBytes?) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
    }

    /// As sealed in the row: each text after its length in two bytes.
    var sealedForm: [UInt8] {
        var bytes: [UInt8] = []
        for token in [accessToken, refreshToken] {
            let text = token?.withExposed { $0 } ?? []
            bytes.append(bigEndian: UInt16(text.count))
            bytes += text
        }
        return bytes
    }

    init?(sealedForm bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let access = reader.counted(UInt16.self, limit: .max),
            let refresh = reader.counted(UInt16.self, limit: .max), reader.isAtEnd
        else { return nil }
        accessToken = Secret(access)
        refreshToken = refresh.isEmpty ? nil : Secret(refresh)
    }
}

/// What is bound to an authorization code and kept for the grant's life, sealed.
package struct GrantContext: Codable, Sendable {
    /// As sent to the authorization endpoint; nil when it was left out there.
    package var redirectURI: String?
    /// PKCE, method S256.
    package var codeChallenge: String?
    package var nonce: String?
    /// When the user signed in, in seconds since 1970.
    package var authenticationTime: Int64?

    package init(redirectURI: String? = nil, codeChallenge: String? = nil) {
        self.redirectURI = redirectURI
        self.codeChallenge = codeChallenge
    }

    private enum CodingKeys: String, CodingKey {
        case redirectURI = "redirect_uri"
        case codeChallenge = "code_challenge"
        case nonce
        case authenticationTime = "auth_time"
    }
}

/// What an exchange gave.
package struct IssuedTokens: Sendable {
    package let pair: TokenPair
    package let scope: ScopeSet
    /// Of the access token.
    package let issuedAt: VaultInstant
    package let expiresAt: VaultInstant
    /// Whole seconds until the access token expires, at the time of this answer.
    package let expiresIn: Int64
    package let grant: GrantID
    package let generation: UInt32
    package let client: OwnerID
    /// The user, or the client itself for client credentials.
    package let owner: OwnerID
    package let kind: GrantKind
    /// What was bound to the grant when it was authorized; nil where the exchange was not prepared.
    package var context: GrantContext?
}

/// The tokens that a swap hands out if the rules allow it: sealed and tagged by its caller, before the write,
/// so that the one writer spends no time on them. Made for the generation after the presented one, which is
/// the only one a swap leads to. A refused exchange drops it: nothing of it was stored or shown.
struct PreparedPair: Sendable {
    private let generation: UInt32
    let accessToken: SecretBytes
    private let refreshToken: SecretBytes
    private let tagKeyID: UInt8
    private let accessTag: [UInt8]
    private let refreshTag: [UInt8]

    init(after handle: TokenHandle, _ keyring: Keyring) {
        let next = handle.generation &+ 1
        func token(_ kind: TokenKind) -> SecretBytes {
            keyring.handles.seal(
                TokenHandle(
                    kind: kind, grant: handle.grant, generation: next, familySecret: handle.familySecret))
        }
        generation = next
        accessToken = token(.accessToken)
        refreshToken = token(.refreshToken)
        tagKeyID = keyring.currentTags.id
        accessTag = keyring.currentTags.tag(.token, of: accessToken)
        refreshTag = keyring.currentTags.tag(.token, of: refreshToken)
    }

    /// The pair with its tags under the grant's tag key, for a grant that now moves to `generation`.
    func pair(
        for generation: UInt32, tagKey: TagKey, withRefreshToken: Bool
    ) throws -> (pair: TokenPair, accessTag: [UInt8], refreshTag: [UInt8]?) {
        guard generation == self.generation else {
            throw VaultError(.internalError, "A token pair was prepared for another generation.")
        }
        let isTagged = tagKey.id == tagKeyID
        return (
            TokenPair(accessToken: accessToken, refreshToken: withRefreshToken ? refreshToken : nil),
            isTagged ? accessTag : tagKey.tag(.token, of: accessToken),
            withRefreshToken ? (isTagged ? refreshTag : tagKey.tag(.token, of: refreshToken)) : nil
        )
    }
}
