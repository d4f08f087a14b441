public import ArgumentParser
import Foundation
import OpenIDConnect
public import TokenVault
public import VaultCore

/// What is registered of a client; what is not given stays as it is.
struct RegistrationOptions: ParsableArguments {
    @Option(
        name: .customLong("redirect-uri"),
        help: ArgumentHelp(
            "A redirect URI, compared byte by byte; at loopback and, of public clients, at localhost with any port. May be repeated.",
            valueName: "uri"))
    var redirectURIs: [String] = []
    @Option(
        name: .customLong("post-logout-redirect-uri"),
        help: ArgumentHelp(
            "Where the client may send users after it signed them out. May be repeated.", valueName: "uri"))
    var postLogoutRedirectURIs: [String] = []
    @Option(
        name: .customLong("insecure-http"),
        help: ArgumentHelp(
            "Accept redirect URIs with http at this host of a private network. May be repeated.",
            valueName: "host"))
    var insecureHosts: [String] = []
    @Option(help: "Scope that the client may request, separated by spaces.")
    var scope: String?
    @Option(
        name: .customLong("grant-type"),
        help: ArgumentHelp(
            "A grant type (default: authorization_code and refresh_token). May be repeated.",
            valueName: "type"))
    var grantTypes: [GrantType] = []
    @Option(
        name: .customLong("response-type"),
        help: ArgumentHelp(
            "A response type (default: code). The others are implicit, for clients that need them. May be repeated.",
            valueName: "type"))
    var responseTypes: [ResponseType] = []
    @Flag(name: .customLong("public"), help: "Register a client without a secret, which uses PKCE.")
    var isPublic = false
    @Option(
        name: [.customLong("auth-method"), .customLong("token-endpoint-auth-method")],
        help: ArgumentHelp(
            "An authentication method (default: client_secret_basic and client_secret_post). May be repeated.",
            valueName: "method"))
    var methods: [ClientAuthenticationMethod] = []
    @Option(
        name: .customLong("jwks-file"),
        help: ArgumentHelp(
            "The client's public keys, a JWK Set, for private_key_jwt. Unusable keys are skipped.",
            valueName: "file"), completion: .file())
    var keySetFile: String?
    @Option(
        name: .customLong("jwks-uri"),
        help: ArgumentHelp(
            "The https URL of the client's JWK Set instead, for 'serve --client-documents'.", valueName: "url"
        ))
    var keySetURI: String?
    @Option(
        name: .customLong("id-token-alg"),
        help: ArgumentHelp(
            "How its id_tokens are signed. (default: RS256)", valueName: "alg"))
    var idTokenAlgorithm: SigningAlgorithm?
    @Option(
        help: ArgumentHelp(
            "What a replaced refresh token is still good for: strict (by default), until-first-use[:24h], or "
                + "stale-tolerant:N[:24h] for N generations. See docs/rotation.md.", valueName: "policy"))
    var rotation: RefreshTokenRotation?
    @Flag(
        inversion: .prefixedNo,
        help: "Allow (or not) to introspect access tokens of other clients, as a resource server.")
    var mayIntrospect: Bool?
    @OptionGroup(title: "Lifetimes")
    var lifetimes: LifetimeArguments

    func validate() throws {
        guard !isPublic || methods.allSatisfy({ $0 == .none }) else {
            throw ValidationError(
                "A public client has no secret: --public and this authentication method exclude each other.")
        }
        guard keySetFile == nil || keySetURI == nil else {
            throw ValidationError("--jwks-file and --jwks-uri exclude each other.")
        }
    }

    /// What changes: files are read and texts parsed before anything is.
    func changes() throws -> @Sendable (inout ClientRegistration) -> Void {
        let scope = try scope.map(ScopeArgument.scope)
        let keySet = try keySetFile.map(Self.keySet)
        return { [self] registration in
            if !redirectURIs.isEmpty { registration.redirectURIs = redirectURIs }
            if !insecureHosts.isEmpty { registration.insecureHosts = insecureHosts }
            if !postLogoutRedirectURIs.isEmpty {
                registration.postLogoutRedirectURIs = postLogoutRedirectURIs
            }
            if let scope { registration.scope = scope }
            if !responseTypes.isEmpty {
                registration.responseTypes = responseTypes
                // A purely implicit client has no use for codes.
                if grantTypes.isEmpty, !responseTypes.contains(.code) { registration.grantTypes = [] }
            }
            if !grantTypes.isEmpty { registration.grantTypes = grantTypes }
            if let keySet {
                (registration.keySet, registration.keySetURI) = (keySet, nil)
            } else if let keySetURI {
                (registration.keySet, registration.keySetURI) = (nil, keySetURI)
            }
            if keySet != nil || keySetURI != nil, methods.isEmpty {
                registration.authenticationMethods = [.privateKeyJWT]
            }
            if isPublic { registration.authenticationMethods = [.none] }
            if !methods.isEmpty { registration.authenticationMethods = methods }
            if !registration.authenticationMethods.contains(.privateKeyJWT), keySet == nil, keySetURI == nil {
                (registration.keySet, registration.keySetURI) = (nil, nil)
            }
            if let idTokenAlgorithm { registration.idTokenAlgorithm = idTokenAlgorithm }
            if let rotation { registration.rotation = rotation }
            if let mayIntrospect { registration.mayIntrospect = mayIntrospect }
            lifetimes.apply(to: &registration.lifetimes)
            if !registration.isPublic {
                (registration.appSchemes, registration.acceptsAnyLocalhostPort) = ([], false)
            } else if !redirectURIs.isEmpty {
                // Naming such a URI here is what allows it.
                registration.allowNativeRedirects()
            }
        }
    }

    private static func keySet(_ path: String) throws -> String {
        let bytes = try SmallFile.read(
            path, limit: Limits.keySetBytes, closed: .toNobody, remedy: "Check --jwks-file.")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw VaultError(.invalidInput, "\(path) is not UTF-8.", remedy: "Check --jwks-file.")
        }
        try ClientKeySet.check(text)
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// How long what the client is given lives.
struct LifetimeArguments: ParsableArguments {
    @Option(
        name: .customLong("access-lifetime"),
        help: "Lifetime of access tokens, as 30s, 10m, 24h or 30d. (default: 1h)")
    var access: DurationArgument?
    @Option(
        name: .customLong("idle-lifetime"), help: "Lifetime of a grant that is not refreshed. (default: 30d)")
    var idle: DurationArgument?
    @Option(name: .customLong("absolute-lifetime"), help: "Lifetime of a grant in all. (default: 365d)")
    var absolute: DurationArgument?
    @Option(
        name: .customLong("code-lifetime"),
        help: "Lifetime of authorization codes; at most 10m. (default: 1m)")
    var code: DurationArgument?
    @Option(
        name: .customLong("retry-window"),
        help: "How long a refresh may be repeated after a lost response; 0s to 10m. (default: 1m)")
    var retry: DurationArgument?

    func apply(to lifetimes: inout Lifetimes) {
        if let access { lifetimes.accessToken = access.duration }
        if let idle { lifetimes.idle = idle.duration }
        if let absolute { lifetimes.absolute = absolute.duration }
        if let code { lifetimes.authorizationCode = code.duration }
        if let retry { lifetimes.retryWindow = retry.duration }
    }
}

extension GrantType: ExpressibleByArgument {}
extension ClientAuthenticationMethod: ExpressibleByArgument {}
extension SigningAlgorithm: ExpressibleByArgument {}
extension RefreshTokenRotation: ExpressibleByArgument {}

extension ResponseType: ExpressibleByArgument {
    public init?(argument: String) { self.init(words: argument) }
}
