public import TokenKeeper
public import VaultCore

/// One grant of a scripted server as it stands: every token that came of one consent.
public struct ScriptedFamily: Sendable, Equatable {
    public enum Kind: Sendable { case user, client }

    public let id: Int
    public let kind: Kind
    public internal(set) var scope: [String]
    public let consentedAt: VaultInstant
    public internal(set) var isRevoked = false
    /// By generation of the refresh token: how often it paid for a refresh. Under a strict policy no number
    /// is ever above 1. Where refreshes do not rotate, there is one generation with all of them.
    public internal(set) var redemptions: [Int] = []
    /// Refresh tokens that came again after they were spent, answered or not.
    public internal(set) var replays = 0
    /// The one that was given last.
    public internal(set) var accessToken = ""
    /// The one that was given last; nil: the grant has none.
    public internal(set) var refreshToken: String?

    init(id: Int, kind: Kind, scope: [String], consentedAt: VaultInstant) {
        self.id = id
        self.kind = kind
        self.scope = scope
        self.consentedAt = consentedAt
    }

    /// Of the newest refresh token, from 0.
    public var generation: Int { max(0, redemptions.count - 1) }

    mutating func enter(generation: Int, refreshToken: String) {
        while redemptions.count <= generation { redemptions.append(0) }
        self.refreshToken = refreshToken
    }
}

/// Tokens of a grant, as a test made them or as they go into a reply.
public struct ScriptedTokens: Sendable, Equatable {
    public let family: Int
    public let accessToken: String
    public let accessExpiresAt: VaultInstant?
    public internal(set) var refreshToken: String?
    var refreshExpiresAt: VaultInstant?
    /// False: it is the one that was presented.
    var isRefreshTokenNew = true
    public let scope: [String]
}

/// What happened at the server without a request: users who decide, tests that look.
extension ScriptedProvider {
    // MARK: Users

    /// A grant with its first tokens, as if a code had been exchanged.
    public func grant(scope: [String] = []) -> ScriptedTokens {
        change { state, now in
            state.book.grant(.user, scope: scope, at: now, random: &state.random)
        }
    }

    /// The code of a consent that happened.
    ///
    /// - Parameter codeChallenge: S256 (RFC 7636); nil: the request had none.
    public func issueCode(scope: [String], codeChallenge: String?, redirectURI: String) -> String {
        change { state, now in
            state.issueCode(scope: scope, codeChallenge: codeChallenge, redirectURI: redirectURI, at: now)
        }
    }

    /// The user types the code of a device and agrees.
    ///
    /// - Returns: whether a device waits under that code.
    @discardableResult
    public func approveDevice(userCode: String) -> Bool {
        change { state, _ in state.decide(userCode: userCode, .approved) }
    }

    /// The user types the code of a device and refuses.
    @discardableResult
    public func denyDevice(userCode: String) -> Bool {
        change { state, _ in state.decide(userCode: userCode, .denied) }
    }

    /// The user takes a grant back at the provider.
    public func revoke(family: Int) { change { state, _ in state.book.revoke(family: family) } }

    // MARK: Observation

    /// Every grant there was, in the order of their identifiers.
    public var families: [ScriptedFamily] { read { state, _ in state.book.families } }

    /// The grant that a token belongs to, dead or alive.
    public func family(of token: String) -> ScriptedFamily? {
        read { state, _ in
            let id = state.book.refreshTokens[token]?.family ?? state.book.accessTokens[token]?.family
            return id.map { state.book.families[$0] }
        }
    }

    /// By generation of the refresh token: how often it was spent with success. A replay that gives the same
    /// successor again is not counted; empty: there is no such grant.
    public func redemptions(of family: Int) -> [Int] {
        read { state, _ in
            state.book.families.indices.contains(family) ? state.book.families[family].redemptions : []
        }
    }

    /// Refresh tokens that came again after they were spent, answered or not.
    public var replays: Int { read { state, _ in state.book.replays } }

    /// Replays that were refused while their grant was alive: under ``Provider/ReplayPolicy/revokes`` each ended it.
    public var reuseAlarms: Int { read { state, _ in state.book.reuseAlarms } }

    /// Requests to the token endpoint and to that for refreshes, those that got lost on the way too.
    public var tokenRequests: Int { count(of: .token) }

    /// Requests to an endpoint; refreshes count as token requests.
    public func requests(to endpoint: ScriptedEndpoint) -> Int { count(of: endpoint.counted) }

    /// Whether an API would take it now; asking is not using.
    public func isLive(accessToken: String) -> Bool {
        read { state, now in state.book.isLive(accessToken: accessToken, at: now) }
    }

    /// Whether a refresh with it would be answered now, be it as a replay.
    public func isLive(refreshToken: String) -> Bool {
        read { state, now in state.book.isLive(refreshToken: refreshToken, at: now) }
    }

    /// The entry with every address at a local server, each under a path of its own.
    ///
    /// - Parameter baseURL: without a slash at the end, as ``ScriptedServer/url`` is.
    public func entry(at baseURL: String) -> Provider {
        var local = entry
        func address(_ endpoint: ScriptedEndpoint) -> String? {
            endpoint.address(in: entry.endpoints).map { original in
                let query = original.firstIndex(of: "?").map { String(original[$0...]) } ?? ""
                return baseURL + endpoint.path + query
            }
        }
        local.endpoints.authorization = address(.authorize)
        local.endpoints.token = address(.token) ?? baseURL + ScriptedEndpoint.token.path
        local.endpoints.refresh = address(.refresh)
        local.endpoints.revocation = address(.revoke)
        local.endpoints.deviceAuthorization = address(.device)
        if entry.endpoints.issuer != nil { local.endpoints.issuer = baseURL }
        return local
    }
}
