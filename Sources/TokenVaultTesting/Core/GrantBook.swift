import TokenKeeper
import VaultCore

/// What a scripted server knows of the grants it gave: families of tokens and the rules between them.
///
/// Knows nothing of how requests and replies are written. Invariants:
/// - a refresh token is spent at most once; what comes after is a replay and goes by the policy;
/// - a family that is revoked never answers again;
/// - `redemptions[g]` counts the refreshes that generation `g` paid for, a replay that gives the same again not among them.
struct GrantBook: Sendable {
    struct AccessToken: Sendable {
        var family: Int
        /// The refresh token that it was given for; nil: it came with the consent.
        var parent: String?
        var expiresAt: VaultInstant?
        var isRevoked = false
    }

    struct RefreshToken: Sendable {
        var family: Int
        var generation: Int
        var parent: String?
        var expiresAt: VaultInstant?
        /// When it was exchanged for a successor; nil: it is the one to use.
        var spentAt: VaultInstant?
        var successor: ScriptedTokens?
        /// What it gave was used: no replay is answered any more.
        var isClosed = false
    }

    var options: ScriptedOptions
    /// How a grant of this provider is refreshed: decides what kind of token is spent.
    let method: Provider.RefreshRules.Method
    let earliestRefresh: Duration?
    var families: [ScriptedFamily] = []
    var accessTokens: [String: AccessToken] = [:]
    var refreshTokens: [String: RefreshToken] = [:]
    private(set) var replays = 0
    private(set) var reuseAlarms = 0

    init(options: ScriptedOptions, provider: Provider) {
        self.options = options
        method = provider.refresh.method
        earliestRefresh = provider.expiry.earliestRefresh
    }

    /// A new family.
    mutating func grant(
        _ kind: ScriptedFamily.Kind, scope: [String], at now: VaultInstant, random: inout SplitMix64
    ) -> ScriptedTokens {
        let family = families.count
        families.append(ScriptedFamily(id: family, kind: kind, scope: scope, consentedAt: now))
        return mint(family, generation: 0, parent: nil, at: now, random: &random)
    }

    /// RFC 6749 section 6.
    mutating func refresh(
        _ token: String, scope: [String]?, at now: VaultInstant, random: inout SplitMix64
    ) throws(OAuthProblem) -> ScriptedTokens {
        guard let record = refreshTokens[token] else { throw .grant("The token is not known here.") }
        if record.spentAt != nil {
            return try replay(token, record, at: now, random: &random)
        }
        guard isLive(refreshToken: token, at: now) else { throw .grant("The token is revoked or expired.") }
        let granted = families[record.family].scope
        guard scope?.allSatisfy(granted.contains) ?? true else { throw OAuthProblem("invalid_scope") }
        if let earliestRefresh, let newest = accessTokens[families[record.family].accessToken],
            let end = newest.expiresAt, now.advanced(by: earliestRefresh) < end
        {
            throw OAuthProblem("invalid_request", "The access token is still good: it is too early.")
        }
        closeWindow(of: record.parent)
        return redeem(token, record, at: now, random: &random)
    }

    /// Whether an API would take the access token; taking it is its first use.
    mutating func use(accessToken: String, at now: VaultInstant) -> Bool {
        guard isLive(accessToken: accessToken, at: now) else { return false }
        closeWindow(of: accessTokens[accessToken]?.parent)
        return true
    }

    /// RFC 7009 section 2.1: a refresh token takes its grant along, an access token goes alone.
    mutating func revoke(token: String) {
        if let record = refreshTokens[token] { revoke(family: record.family) }
        accessTokens[token]?.isRevoked = true
    }

    mutating func revoke(family: Int) {
        guard families.indices.contains(family) else { return }
        families[family].isRevoked = true
    }

    func isLive(accessToken: String, at now: VaultInstant) -> Bool {
        guard let record = accessTokens[accessToken], !record.isRevoked else { return false }
        return !families[record.family].isRevoked && record.expiresAt.map { now < $0 } ?? true
    }

    /// Whether it would be exchanged now: one that is spent is live as long as a replay of it is answered.
    func isLive(refreshToken: String, at now: VaultInstant) -> Bool {
        guard let record = refreshTokens[refreshToken], !families[record.family].isRevoked,
            record.expiresAt.map({ now < $0 }) ?? true
        else { return false }
        return record.spentAt == nil || isAnswered(record, at: now)
    }
}

extension GrantBook {
    private mutating func replay(
        _ token: String, _ record: RefreshToken, at now: VaultInstant, random: inout SplitMix64
    ) throws(OAuthProblem) -> ScriptedTokens {
        replays += 1
        families[record.family].replays += 1
        guard !families[record.family].isRevoked else { throw .grant("The grant is revoked.") }
        guard isLive(refreshToken: token, at: now), let successor = record.successor else {
            reuseAlarms += 1
            // RFC 9700 section 4.14.2: revoke the active refresh token, as either party may be the thief.
            if options.replay == .revokes { revoke(family: record.family) }
            throw .grant("The token was used before.")
        }
        switch options.replaySuccessor {
        case .same: return successor
        case .another: return redeem(token, record, at: now, random: &random)
        }
    }

    private func isAnswered(_ record: RefreshToken, at now: VaultInstant) -> Bool {
        guard let spentAt = record.spentAt else { return false }
        return switch options.replay {
        case .tolerated: true
        case .within(let window): now < spentAt.advanced(by: window)
        case .untilFirstUse(let window):
            !record.isClosed && window.map { now < spentAt.advanced(by: $0) } ?? true
        case .rejected, .revokes: false
        }
    }

    private mutating func redeem(
        _ token: String, _ record: RefreshToken, at now: VaultInstant, random: inout SplitMix64
    ) -> ScriptedTokens {
        let family = record.family
        families[family].redemptions[record.generation] += 1
        if options.refreshEndsOldAccessTokens {
            for (name, access) in accessTokens where access.family == family {
                accessTokens[name]?.isRevoked = true
            }
        }
        if let left = options.scopeAfterRefresh { families[family].scope.removeAll { !left.contains($0) } }
        let rotates =
            switch options.rotation {
            case .always: true
            case .never: record.spentAt != nil
            case .sometimes: random.next().isMultiple(of: 2) || record.spentAt != nil
            }
        guard rotates || method == .accessToken else {
            let expiresAt = refreshExpiry(of: family, at: now)
            refreshTokens[token]?.expiresAt = expiresAt
            return mintAccess(family, refreshToken: token, at: now, random: &random)
        }
        let issued = mint(
            family, generation: record.generation + 1, parent: token, at: now, random: &random)
        // An access token that is exchanged for a newer one goes on by itself where exchanges do not rotate.
        guard rotates else { return issued }
        refreshTokens[token]?.spentAt = record.spentAt ?? now
        refreshTokens[token]?.successor = issued
        return issued
    }

    /// A pair of the next generation.
    private mutating func mint(
        _ family: Int, generation: Int, parent: String?, at now: VaultInstant, random: inout SplitMix64
    ) -> ScriptedTokens {
        let access = random.token("at_")
        let accessExpiresAt = options.accessLifetime.map { now.advanced(by: $0) }
        accessTokens[access] = AccessToken(family: family, parent: parent, expiresAt: accessExpiresAt)
        families[family].accessToken = access
        var issued = ScriptedTokens(
            family: family, accessToken: access, accessExpiresAt: accessExpiresAt,
            scope: families[family].scope)
        guard families[family].kind == .user, method != .none else { return issued }
        // Where the access token itself is refreshed it is its own refresh token, and ends when it does.
        let isItsOwn = method == .accessToken
        let refresh = isItsOwn ? access : random.token("rt_")
        let expiresAt = isItsOwn ? accessExpiresAt : refreshExpiry(of: family, at: now)
        refreshTokens[refresh] = RefreshToken(
            family: family, generation: generation, parent: parent, expiresAt: expiresAt)
        families[family].enter(generation: generation, refreshToken: refresh)
        if !isItsOwn { (issued.refreshToken, issued.refreshExpiresAt) = (refresh, expiresAt) }
        return issued
    }

    /// An access token beside a refresh token that stays.
    private mutating func mintAccess(
        _ family: Int, refreshToken: String, at now: VaultInstant, random: inout SplitMix64
    ) -> ScriptedTokens {
        let access = random.token("at_")
        let expiresAt = options.accessLifetime.map { now.advanced(by: $0) }
        accessTokens[access] = AccessToken(family: family, expiresAt: expiresAt)
        families[family].accessToken = access
        return ScriptedTokens(
            family: family, accessToken: access, accessExpiresAt: expiresAt, refreshToken: refreshToken,
            refreshExpiresAt: refreshTokens[refreshToken]?.expiresAt, isRefreshTokenNew: false,
            scope: families[family].scope)
    }

    private func refreshExpiry(of family: Int, at now: VaultInstant) -> VaultInstant? {
        let idle = options.refreshLifetime.map { now.advanced(by: $0) }
        let absolute = options.refreshAbsoluteLifetime.map { families[family].consentedAt.advanced(by: $0) }
        return [idle, absolute].compactMap { $0 }.min()
    }

    private mutating func closeWindow(of parent: String?) {
        guard let parent else { return }
        refreshTokens[parent]?.isClosed = true
    }
}
