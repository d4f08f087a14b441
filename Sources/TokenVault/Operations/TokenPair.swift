package import VaultCore

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
