package import VaultCore
import VaultCrypto

/// An access token and, where the grant has one, its refresh token: what one exchange returns.
package struct TokenPair: Sendable {
    package let accessToken: SecretBytes
    package let refreshToken: SecretBytes?

    package init(accessToken: SecretBytes, refreshToken: SecretBytes?) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
    }

    /// As sealed in the row: each text after its length in two bytes.
    package var sealedForm: [UInt8] {
        var bytes: [UInt8] = []
        for token in [accessToken, refreshToken] {
            let text = token?.withExposed { $0 } ?? []
            bytes.append(bigEndian: UInt16(text.count))
            bytes += text
        }
        return bytes
    }

    package init?(sealedForm bytes: [UInt8]) {
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
    /// What the tokens are meant for; nil where the authorization request named nothing.
    package var resource: String?
    /// When the user signed in, in seconds since 1970.
    package var authenticationTime: Int64?

    package init(redirectURI: String? = nil, codeChallenge: String? = nil) {
        self.redirectURI = redirectURI
        self.codeChallenge = codeChallenge
    }

    private enum CodingKeys: String, CodingKey {
        case redirectURI = "redirect_uri"
        case codeChallenge = "code_challenge"
        case nonce, resource
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
    /// Whole seconds until the refresh token expires unless it is used, counted from this answer; nil without one.
    package var refreshExpiresIn: Int64?
}

/// Until when the tokens of a pair are good. No token outlives its grant.
struct PairExpiry: Sendable {
    let access: VaultInstant
    let refresh: VaultInstant

    init(_ lifetimes: Lifetimes, from now: VaultInstant, grantEnds end: VaultInstant) {
        access = min(now.advanced(by: lifetimes.accessToken), end)
        refresh = min(now.advanced(by: lifetimes.idle), end)
    }
}

/// The tokens that a swap returns if the rules allow it: sealed and tagged by its caller, before the write,
/// so that the one writer spends no time on them. Made for the generation after the presented one, which is
/// the only one a swap leads to. A refused exchange drops it: nothing of it was stored or shown.
struct PreparedPair: Sendable {
    /// The write may come so long after the preparation.
    private static let leeway = Duration.seconds(60)
    /// A handle may end so much later than the row says. The row stays longer: ``Limits/expiredGrantRetention``.
    private static let excess = Duration.seconds(86_400)

    private let generation: UInt32
    private let expiry: PairExpiry
    let accessToken: SecretBytes
    private let refreshToken: SecretBytes
    private let tagKeyID: UInt8
    private let accessTag: [UInt8]
    private let refreshTag: [UInt8]

    /// For a swap that comes soon.
    ///
    /// - Parameter end: of the grant; nil: as far as its token tells.
    init(
        after handle: TokenHandle, _ lifetimes: Lifetimes, at now: VaultInstant,
        grantEnds end: VaultInstant? = nil, _ keyring: Keyring
    ) throws {
        let end = end ?? Self.grantEnd(handle, lifetimes)
        try self.init(
            after: handle,
            until: PairExpiry(lifetimes, from: now.advanced(by: Self.leeway), grantEnds: end),
            at: now, keyring)
    }

    init(
        after handle: TokenHandle, until expiry: PairExpiry, at now: VaultInstant, _ keyring: Keyring
    ) throws {
        let next = handle.generation &+ 1
        let (handles, tags) = (try keyring.handles, try keyring.issuerTags.current)
        func token(_ kind: TokenKind, until end: VaultInstant) -> SecretBytes {
            handles.seal(
                TokenHandle(
                    kind: kind, grant: handle.grant, generation: next, familySecret: handle.familySecret,
                    from: now, until: end))
        }
        generation = next
        self.expiry = expiry
        accessToken = token(.accessToken, until: expiry.access)
        refreshToken = token(.refreshToken, until: expiry.refresh)
        tagKeyID = tags.id
        accessTag = tags.tag(.token, of: accessToken)
        refreshTag = tags.tag(.token, of: refreshToken)
    }

    /// The end of a code's grant is known to the minute. A refresh token that got less than a whole idle lifetime ends with
    /// its grant.
    private static func grantEnd(_ handle: TokenHandle, _ lifetimes: Lifetimes) -> VaultInstant {
        guard handle.kind != .authorizationCode else {
            return handle.issuedAt.advanced(by: lifetimes.absolute + leeway)
        }
        let isCut = handle.endsAt.elapsed(since: handle.issuedAt) < lifetimes.idle
        return isCut ? handle.endsAt : VaultInstant(millisecondsSince1970: .max)
    }

    /// Whether the handles may stand for what a row is to say. They may not when the lifetimes changed or a clock was set
    /// meanwhile, or when the token did not tell the end of its grant.
    func fits(_ row: PairExpiry) -> Bool {
        func fits(_ end: VaultInstant, _ wanted: VaultInstant) -> Bool {
            end >= wanted && end <= wanted.advanced(by: Self.excess)
        }
        return fits(expiry.access, row.access) && fits(expiry.refresh, row.refresh)
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
