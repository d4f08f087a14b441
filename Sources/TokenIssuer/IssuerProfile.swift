/// What an issuer accepts beyond the RFCs, for clients written for an older API: all of it is listed here.
public struct IssuerProfile: Sendable {
    /// The name of the profile, as `serve --profile` takes it.
    public let name: String
    /// The paths of the token endpoint; the first is the standard one.
    public let tokenPaths: [String]
    /// The paths of the authorization endpoint; the first is the standard one.
    public let authorizePaths: [String]
    /// The spellings of `client_id` and `client_secret`, of which a request uses one.
    package let clientIDParameters: [String]
    package let clientSecretParameters: [String]
    /// A code may be redeemed without `redirect_uri` by a client that has registered just one.
    let impliesRedirectURI: Bool
    /// The response repeats its members in camel case, with the time of expiry as a date.
    package let repeatsInCamelCase: Bool
    /// The spellings of an access token in a query string (RFC 6750 section 2.3); none: it is not taken from there.
    package let tokenParameters: [String]
    /// Scopes that the API knows, for metadata.
    let scopes: [String]
    /// Takes token requests by GET, and parameters of a POST from its query string: off, unless old clients
    /// need it. Secrets in a URL end up in the logs of whatever is in between. Each use is written into the
    /// audit log with a warning; the query itself is never logged.
    public var acceptsLegacyGet = false

    /// Accepts what the RFCs allow, and nothing else.
    public static let standard = IssuerProfile(
        name: "standard", tokenPaths: ["/oauth2/token"], authorizePaths: ["/oauth2/authorize"],
        clientIDParameters: ["client_id"], clientSecretParameters: ["client_secret"],
        impliesRedirectURI: false, repeatsInCamelCase: false, tokenParameters: [], scopes: [])

    /// Accepts clients of the CureDAO / QuantiModo API, which spell one endpoint in many ways.
    public static let quantimodo = IssuerProfile(
        name: "quantimodo",
        tokenPaths: standard.tokenPaths + [
            "/api/v1/oauth/access_token", "/api/v3/oauth2/token", "/api/v1/oauth2/token", "/api/oauth2/token",
            "/api/v1/oauth/token", "/api/v2/oauth/access_token", "/v2/oauth2/access_token",
            "/v3/oauth2/token",
        ],
        authorizePaths: standard.authorizePaths + [
            "/api/v1/oauth2/authorize", "/api/v3/oauth2/authorize", "/v1/oauth2/authorize",
            "/api/v1/oauth/authorize", "/api/v2/oauth/authorize", "/v2/oauth2/authorize",
            "/v3/oauth2/authorize", "/api/oauth2/authorize",
        ],
        clientIDParameters: ["client_id", "clientId"],
        clientSecretParameters: ["client_secret", "clientSecret"],
        impliesRedirectURI: true, repeatsInCamelCase: true,
        tokenParameters: ["access_token", "accessToken", "quantimodoAccessToken"],
        scopes: ["basic", "readmeasurements", "writemeasurements"])

    /// Every profile, for help texts and ``init(named:)``.
    public static let all = [standard, quantimodo]

}

extension IssuerProfile {
    /// Finds a profile by its name; nil if no profile has it.
    public init?(named name: String) {
        guard let profile = Self.all.first(where: { $0.name == name }) else { return nil }
        self = profile
    }
}
