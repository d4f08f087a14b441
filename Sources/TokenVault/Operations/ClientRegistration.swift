public import VaultCore

/// How a client authenticates at the token endpoint (RFC 7591 section 2).
public enum ClientAuthenticationMethod: String, Codable, Sendable, CaseIterable {
    /// A public client: it only says who it is.
    case none
    case basic = "client_secret_basic"
    case post = "client_secret_post"
}

/// Grant types a client may be registered for (RFC 7591 section 2).
public enum GrantType: String, Codable, Sendable, CaseIterable {
    case authorizationCode = "authorization_code"
    case refreshToken = "refresh_token"
    case clientCredentials = "client_credentials"
}

/// What is registered of a client.
///
/// Durations are in milliseconds when encoded.
///
/// ```swift
/// var registration = ClientRegistration(name: "Mood tracker")
/// registration.redirectURIs = ["https://app.example/callback"]
/// registration.scope = ScopeSet(parsing: "basic readmeasurements") ?? .empty
/// ```
public struct ClientRegistration: Sendable, Equatable {
    /// For people; unique within the vault.
    public var name: String
    /// Any of these is accepted.
    ///
    /// `none` alone makes a public client.
    public var authenticationMethods: [ClientAuthenticationMethod] = [.basic, .post]
    public var grantTypes: [GrantType] = [.authorizationCode, .refreshToken]
    /// Compared octet by octet.
    public var redirectURIs: [String] = []
    /// What the client may ask for.
    public var scope: ScopeSet = .empty
    public var lifetimes = Lifetimes()

    public init(name: String) { self.name = name }

    public var isPublic: Bool { authenticationMethods == [.none] }
}

/// How long things live.
///
/// The defaults are the safe ones.
public struct Lifetimes: Codable, Sendable, Equatable {
    /// Of an authorization code; at most 10 minutes.
    public var authorizationCode = Duration.seconds(60)
    public var accessToken = Duration.seconds(3600)
    /// A grant that is not refreshed for this long ends.
    public var idle = Duration.seconds(30 * 86400)
    /// No refresh extends this.
    public var absolute = Duration.seconds(365 * 86400)
    /// How long a refresh whose response was lost may be repeated; 0 to 10 minutes.
    public var retryWindow = Duration.seconds(60)

    public init() {}

    private enum CodingKeys: String, CodingKey {
        case authorizationCode = "code_ms"
        case accessToken = "access_ms"
        case idle = "idle_ms"
        case absolute = "absolute_ms"
        case retryWindow = "retry_ms"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        authorizationCode = .milliseconds(try values.decode(Int64.self, forKey: .authorizationCode))
        accessToken = .milliseconds(try values.decode(Int64.self, forKey: .accessToken))
        idle = .milliseconds(try values.decode(Int64.self, forKey: .idle))
        absolute = .milliseconds(try values.decode(Int64.self, forKey: .absolute))
        retryWindow = .milliseconds(try values.decode(Int64.self, forKey: .retryWindow))
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(authorizationCode.milliseconds, forKey: .authorizationCode)
        try values.encode(accessToken.milliseconds, forKey: .accessToken)
        try values.encode(idle.milliseconds, forKey: .idle)
        try values.encode(absolute.milliseconds, forKey: .absolute)
        try values.encode(retryWindow.milliseconds, forKey: .retryWindow)
    }
}
