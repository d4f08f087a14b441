/// A provider, which issues tokens to us: its endpoints, and where it departs from the standards.
///
/// Entries of the catalogue and files of users are YAML; ``ProviderReader`` reads them, docs/providers.md lists the fields.
public struct Provider: Sendable, Equatable {
    /// The name of the entry: lower-case letters, digits and hyphens.
    public var name: String
    /// The title, shown to people.
    public var title: String
    public var endpoints: Endpoints
    public var client: ClientAuthentication = .basic
    /// The form of requests.
    public var requests = RequestForm()
    /// The places of values in a reply.
    public var replies = ReplyForm()
    public var expiry = ExpiryRules()
    public var refresh = RefreshRules()
    /// The place of the access token in calls of the provider's API.
    public var accessToken: AccessTokenPlacement = .bearer
    /// The number of requests to the token endpoint that the provider accepts per client; nil if not known.
    public var rateLimit: RateLimit?
    /// Values for `{name}` in endpoints, if no others are given.
    public var defaults: [String: String] = [:]
    /// The pages that the facts were read on, and when; empty for an entry of your own.
    public var sources: [Source] = []
    /// Whether every fact of the entry was read in its sources.
    public var isVerified = false

    public init(name: String, title: String, endpoints: Endpoints) {
        self.name = name
        self.title = title
        self.endpoints = endpoints
    }
}

extension Provider {
    /// URLs; `{name}` stands for a variable that is given when the provider is added (a tenant, a shop).
    public struct Endpoints: Sendable, Equatable, Codable {
        public var authorization: String?
        /// The token endpoint; empty if the discovery document of ``issuer`` names it.
        public var token: String
        /// The refresh endpoint; nil for the token endpoint.
        public var refresh: String?
        public var revocation: String?
        public var deviceAuthorization: String?
        /// What `iss` of a callback and the discovery document must say (RFC 9207, RFC 8414).
        public var issuer: String?
        /// Every callback carries `iss`, as the discovery document promised (RFC 9207 section 3); nil: not promised.
        public var namesIssuerInCallbacks: Bool?

        public init(token: String) { self.token = token }
    }

    /// The ways a client authenticates (RFC 6749 section 2.3.1, and deviations).
    public enum ClientAuthentication: String, Sendable, CaseIterable {
        /// Identifier and secret form-encoded, then Basic.
        case basic
        /// Basic without the form-encoding that the RFC asks for.
        case basicRaw = "basic_raw"
        /// The secret as user name of Basic, no password.
        case basicSecretOnly = "basic_secret_only"
        /// In the body.
        case post
        /// A public client: its identifier in the body.
        case none
    }

    /// The form of requests to the provider.
    public struct RequestForm: Sendable, Equatable {
        public enum Body: String, Sendable, CaseIterable { case form, json, query }

        /// GET sends everything in the query.
        public var method: ProviderRequest.Method = .post
        public var body: Body = .form
        /// Other names for standard parameters: `client_id: clientId`.
        public var names: [String: String] = [:]
        /// Values for `grant_type` other than the standard's, by the standard's.
        public var grantTypes: [String: String] = [:]
        /// Added to the consent URL: in place of a standard parameter of that name, an empty value leaves it out.
        public var authorize: [String: String] = [:]
        /// Parameters that are added to the exchange of a code.
        public var exchange: [String: String] = [:]
        /// Parameters that are added to a refresh.
        public var refresh: [String: String] = [:]
        /// Parameters that are added to a request of the client for itself.
        public var clientCredentials: [String: String] = [:]
        /// Added to every request, in place of ours of that name.
        public var headers: [String: String] = [:]
        public var scopeSeparator = " "
        /// S256, or no PKCE at all.
        public var usesPKCE = true
        /// Parameters of the callback that are kept with the connection (`realmId`).
        public var keptCallbackParameters: [String] = []

        public init() {}
    }

    /// The places of values in a reply: lists of paths (`authed_user.access_token`), of which the first found counts.
    public struct ReplyForm: Sendable, Equatable {
        public var accessToken = ["access_token"]
        public var refreshToken = ["refresh_token"]
        public var expiry = ["expires_in"]
        public var refreshExpiry = ["refresh_token_expires_in"]
        public var scope = ["scope"]
        /// What names the account that the tokens are of, and never changes; empty: the ID token's subject does.
        public var account: [String] = []
        public var error = ["error"]
        public var errorDescription = ["error_description"]
        /// A member that tells success from failure whatever the status: path and the values that mean success.
        public var success: SuccessMember?
        /// Error codes of the provider's own, by what they mean (`bad_refresh_token: invalid_grant`).
        public var errorCodes: [String: String] = [:]
        /// Other answers that mean a refresh token is dead; one rule that fits is enough.
        public var deadToken: [DeadTokenRule] = []
        /// Members that are kept with the connection (`instance_url`).
        public var kept: [String] = []
        /// A body that is nothing but a token, as JSON string or as text, is the access token.
        public var bareToken = false

        public init() {}
    }

    /// The member of a reply that tells success from failure, and its values for success.
    public struct SuccessMember: Sendable, Equatable {
        public var path: String
        public var values: [String]

        public init(path: String, values: [String]) {
            self.path = path
            self.values = values
        }
    }

    /// The rules for how long tokens live.
    public struct ExpiryRules: Sendable, Equatable {
        public enum Form: String, Sendable, CaseIterable {
            /// Seconds from now, as a number or a string.
            case seconds
            case milliseconds
            /// A point of time: seconds or milliseconds since 1970 by their size, or ISO 8601, or `YYYY-MM-DD HH:MM:SS` UTC.
            case instant
            /// `HHH:MM:SS` from now.
            case clock
            /// `D:HH:MM` from now.
            case dayClock = "day_clock"
            /// Any of the above, by what the value looks like.
            case any
        }

        public var form: Form = .seconds
        /// Lifetime of an access token whose reply names none; nil: it does not expire.
        public var defaultLifetime: Duration?
        /// The longest time before the end at which the provider accepts a refresh; nil for any time.
        public var earliestRefresh: Duration?
        /// Lifetime of an unused refresh token; nil: not known to end.
        public var refreshIdle: Duration?
        /// Lifetime of a refresh token since the user consented; nil: not known to end.
        public var refreshAbsolute: Duration?

        public init() {}
    }

    /// The form of a refresh, and what happens to the old refresh token.
    public struct RefreshRules: Sendable, Equatable {
        public enum Method: String, Sendable, CaseIterable {
            /// RFC 6749 section 6.
            case refreshToken = "refresh_token"
            /// The access token itself is exchanged for a longer or newer one.
            case accessToken = "access_token"
            /// Nothing can be refreshed: the user consents again.
            case none
        }

        public var method: Method = .refreshToken
        /// Whether replies bring a new refresh token; for information only.
        public var rotates = true
        public var replay: ReplayPolicy = .rejected

        public init() {}
    }

    /// What a second use of the same refresh token does, and so what may be done when no answer came.
    public enum ReplayPolicy: Sendable, Equatable {
        /// The token stays valid, or gives the same or another successor.
        case tolerated
        /// The same as tolerated, for this long after the first use.
        case within(Duration)
        /// The same as tolerated until a token of the first use is used, at most for this long.
        case untilFirstUse(Duration?)
        /// The token is refused and nothing else happens.
        case rejected
        /// The token is refused, and the provider ends the whole grant.
        case revokes
    }

    /// The place of the access token in a call of an API: in the header **or** in the query, never both.
    public enum AccessTokenPlacement: Sendable, Equatable {
        /// `Authorization: Bearer`, or another word for Bearer.
        case header(scheme: String)
        case query(parameter: String)

        public static let bearer = Self.header(scheme: "Bearer")
    }

    public struct RateLimit: Sendable, Equatable {
        public var requests: Int
        public var period: Duration

        public init(requests: Int, per period: Duration) {
            self.requests = requests
            self.period = period
        }
    }

    /// A page that was read, and the day (`2026-11-24`).
    public struct Source: Sendable, Equatable {
        public var page: String
        public var day: String

        public init(page: String, day: String) {
            self.page = page
            self.day = day
        }
    }

    /// How a provider says that a refresh token is dead, where it does not say `invalid_grant`: an answer to a refresh that
    /// has everything which is named here.
    public struct DeadTokenRule: Sendable, Equatable {
        /// The HTTP status; nil for any.
        public var status: Int?
        /// The provider's own error code, in any case; nil for any, or none.
        public var code: String?
        /// Words that its description contains, in any case; `*` stands for any text.
        public var description: String?

        public init(status: Int? = nil, code: String? = nil, description: String? = nil) {
            self.status = status
            self.code = code
            self.description = description
        }
    }
}

extension Provider.DeadTokenRule {
    /// What is looked at of a description.
    private static let readableBytes = 4096

    func matches(status: Int, code: String?, description: String?) -> Bool {
        if let expected = self.status, expected != status { return false }
        if let expected = self.code, expected.lowercased() != code?.lowercased() { return false }
        guard let pattern = self.description else { return true }
        guard let description else { return false }
        return Self.has(Array(description.lowercased().utf8.prefix(Self.readableBytes)), pattern)
    }

    /// Finds each piece after the one before it, the first time it comes: no pattern makes this go back.
    private static func has(_ text: [UInt8], _ pattern: String) -> Bool {
        var rest = text[...]
        for piece in pattern.lowercased().utf8.split(separator: UInt8(ascii: "*")) {
            guard let found = rest.firstRange(of: Array(piece)) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}
