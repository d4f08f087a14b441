public import TokenKeeper

/// How a scripted server behaves where the entry of its provider leaves it open. ``init(_:)`` fills it from
/// an entry; a test then changes what it is about.
public struct ScriptedOptions: Sendable {
    /// Whether a refresh brings a new refresh token.
    public enum Rotation: Sendable { case always, never, sometimes }

    /// What a replay that is answered gives: what the first use gave, or tokens of its own.
    public enum Successor: Sendable { case same, another }

    /// The user's answer at the authorization endpoint.
    public enum Consent: Sendable, Equatable {
        case given
        case denied
    }

    public enum ReplyFormat: Sendable { case json, form }

    /// How a lifetime is written into a reply.
    public enum LifetimeSpelling: Sendable, CaseIterable {
        case seconds
        /// `"3600"`.
        case secondsText
        case milliseconds
        /// Seconds since 1970.
        case epochSeconds
        case epochMilliseconds
        /// `2026-11-24T15:06:21Z`.
        case iso8601
        /// `2026-11-24 15:06:21`, UTC without saying so.
        case zoneless
        /// `D:HH:MM`.
        case days
        /// `HHH:MM:SS`.
        case hours
    }

    /// The client that is registered.
    public var clientID = "scripted-client"
    /// Has the characters that tell encoded client credentials from raw ones.
    public var clientSecret = "scripted/secret+with:everything &=%"
    public var rotation: Rotation
    public var replay: Provider.ReplayPolicy
    public var replaySuccessor = Successor.same
    /// A refresh ends the access tokens that were given before (GitHub, Wise).
    public var refreshEndsOldAccessTokens = false
    /// Replies repeat the refresh token where it stays the same; otherwise they leave it out.
    public var repeatsRefreshToken = false
    /// The lifetime of access tokens; nil if they do not expire.
    public var accessLifetime: Duration?
    /// Lifetime of a refresh token since it was given or last used; nil: no end.
    public var refreshLifetime: Duration?
    /// Lifetime of a refresh token since the consent; nil: no end.
    public var refreshAbsoluteLifetime: Duration?
    public var tellsExpiry: Bool
    public var tellsRefreshExpiry: Bool
    public var lifetimeSpelling: LifetimeSpelling
    /// Where access tokens do not expire replies say 0, as Mailchimp's; otherwise nothing.
    public var spellsNeverAsZero = false
    public var tellsScope = true
    /// Values of the members and callback parameters that the entry keeps; by default `kept-` and the name.
    public var keptValues: [String: String] = [:]
    /// What is granted at most, whatever was asked for; nil: what was asked for.
    public var grantableScope: [String]?
    /// What is left of the scope from the next refresh on; nil: all.
    public var scopeAfterRefresh: [String]?
    public var consent = Consent.given
    public var codeLifetime = Duration.seconds(600)
    public var deviceLifetime = Duration.seconds(900)
    public var devicePollInterval = Duration.seconds(5)
    /// Status of a success; Sentry's is 201.
    public var successStatus = 200
    /// Status of an OAuth error other than `invalid_client`.
    public var errorStatus: Int
    public var replyFormat = ReplyFormat.json
    /// Answers 429 beyond the rate limit of the entry.
    public var enforcesRateLimit = false

    /// The behaviour that the entry of a provider describes.
    public init(_ provider: Provider) {
        rotation = provider.refresh.rotates ? .always : .never
        replay = provider.refresh.replay
        accessLifetime = provider.expiry.defaultLifetime ?? .seconds(3600)
        refreshLifetime = provider.expiry.refreshIdle
        refreshAbsoluteLifetime = provider.expiry.refreshAbsolute
        // An entry has a default lifetime because replies do not name one.
        tellsExpiry = provider.expiry.defaultLifetime == nil
        tellsRefreshExpiry = provider.expiry.refreshIdle != nil
        let member = provider.replies.expiry.first?.lowercased() ?? ""
        lifetimeSpelling =
            switch provider.expiry.form {
            // The name says what the form leaves open (`accessTokenExpiresAtMilliseconds`).
            case .any: member.hasSuffix("atmilliseconds") ? .epochMilliseconds : .seconds
            case .seconds: .seconds
            case .milliseconds: .milliseconds
            case .instant: .epochSeconds
            case .clock: .hours
            case .dayClock: .days
            }
        // Who has a member for success says everything under 200.
        errorStatus = provider.replies.success == nil ? 400 : 200
    }
}
