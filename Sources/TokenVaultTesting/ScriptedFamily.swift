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

/// Tokens of a grant that a test made without asking over HTTP.
public struct ScriptedTokens: Sendable, Equatable {
    public let family: Int
    public let accessToken: String
    public let accessExpiresAt: VaultInstant?
    public let refreshToken: String?
    public let scope: [String]

    init(_ issued: GrantBook.IssuedTokens) {
        family = issued.family
        accessToken = issued.accessToken
        accessExpiresAt = issued.accessExpiresAt
        refreshToken = issued.refreshToken
        scope = issued.scope
    }
}
