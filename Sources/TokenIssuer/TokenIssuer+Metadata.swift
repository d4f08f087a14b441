import Foundation
import Synchronization
import TokenVault
import VaultCore

extension TokenIssuer {
    /// The issuer's metadata as a JSON object (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3): what is
    /// served, and nothing else.
    ///
    /// - Throws: `temporarily_unavailable` while the issuer's URL is not known.
    public func metadata() async throws(OAuthError) -> [UInt8] {
        guard let issuer else {
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "The server is starting. Try again.", retryAfter: 1)
        }
        do {
            var metadata = IssuerMetadata(issuer: issuer)
            metadata.add(endpoints)
            metadata.addClientAuthentication(signed: assertions?.algorithms)
            if let idTokens { metadata.addOpenID(try await idTokens.algorithms(), claims.names) }
            metadata.scopesSupported += profile.scopes
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Array(try encoder.encode(metadata))
        } catch { throw failure(error) }
    }

    /// The public signing keys as a JWK Set; nil: OpenID Connect is off.
    public func keySet() async throws(OAuthError) -> [UInt8]? {
        guard let idTokens else { return nil }
        do { return try await idTokens.keySet() } catch { throw failure(error) }
    }
}

/// What RFC 8414 and OpenID Connect Discovery say of an issuer; names are theirs, in camel case.
private struct IssuerMetadata: Encodable {
    let issuer: String
    var authorizationEndpoint: String?
    var tokenEndpoint: String?
    var revocationEndpoint: String?
    var introspectionEndpoint: String?
    var userinfoEndpoint: String?
    var jwksUri: String?
    var scopesSupported: [String] = []
    var responseTypesSupported: [String] = []
    var responseModesSupported: [String]?
    var grantTypesSupported = GrantType.allCases.map(\.rawValue)
    var codeChallengeMethodsSupported = ["S256"]
    var authorizationResponseIssParameterSupported: Bool?
    var tokenEndpointAuthMethodsSupported: [String] = []
    var tokenEndpointAuthSigningAlgValuesSupported: [String]?
    var revocationEndpointAuthMethodsSupported: [String] = []
    var revocationEndpointAuthSigningAlgValuesSupported: [String]?
    var introspectionEndpointAuthMethodsSupported: [String] = []
    var introspectionEndpointAuthSigningAlgValuesSupported: [String]?
    var subjectTypesSupported: [String]?
    var idTokenSigningAlgValuesSupported: [String]?
    var claimsSupported: [String]?
    var requestParameterSupported: Bool?
    var requestUriParameterSupported: Bool?

    init(issuer: String) { self.issuer = issuer }

    mutating func add(_ endpoints: MountedEndpoints) {
        let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        func url(_ name: MountedEndpoints.Name) -> String? { endpoints[name].map { base + $0 } }
        authorizationEndpoint = url(.authorization)
        tokenEndpoint = url(.token)
        revocationEndpoint = url(.revocation)
        introspectionEndpoint = url(.introspection)
        userinfoEndpoint = url(.userinfo)
        jwksUri = url(.keySet)
        guard authorizationEndpoint != nil else { return }
        responseTypesSupported = [ResponseType.code.rawValue, ResponseType.token.rawValue]
        responseModesSupported = ["query", "fragment"]
        grantTypesSupported.append("implicit")
        authorizationResponseIssParameterSupported = true
    }

    /// - Parameter algorithms: of client assertions; nil: they are not taken.
    mutating func addClientAuthentication(signed algorithms: [String]?) {
        typealias Method = ClientAuthenticationMethod
        let proving: [Method] = [.basic, .post] + (algorithms == nil ? [] : [.privateKeyJWT])
        tokenEndpointAuthMethodsSupported = (proving + [Method.none]).map(\.rawValue)
        revocationEndpointAuthMethodsSupported = tokenEndpointAuthMethodsSupported
        introspectionEndpointAuthMethodsSupported = proving.map(\.rawValue)
        tokenEndpointAuthSigningAlgValuesSupported = algorithms
        revocationEndpointAuthSigningAlgValuesSupported = algorithms
        introspectionEndpointAuthSigningAlgValuesSupported = algorithms
    }

    mutating func addOpenID(_ algorithms: [SigningAlgorithm], _ hostClaims: [String]) {
        scopesSupported = ["openid"]
        if authorizationEndpoint != nil {
            responseTypesSupported += [ResponseType.idToken, .idTokenToken].map(\.rawValue)
        }
        subjectTypesSupported = ["public"]
        idTokenSigningAlgValuesSupported = algorithms.map(\.rawValue)
        claimsSupported =
            ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash"] + hostClaims
        requestParameterSupported = false
        // Left out, it would mean true.
        requestUriParameterSupported = false
    }
}

/// Which endpoints are served, and where: metadata names these and no other.
package final class MountedEndpoints: Sendable {
    package enum Name: Sendable {
        case authorization
        case token
        case revocation
        case introspection
        case userinfo
        case keySet
    }

    private let paths = Mutex<[Name: String]>([:])

    package init() {}

    /// - Parameter path: below the issuer's URL; of several, the first counts.
    package func add(_ name: Name, at path: String) {
        paths.withLock { paths in paths[name] = paths[name] ?? path }
    }

    package subscript(name: Name) -> String? { paths.withLock { $0[name] } }
}

/// The URL an issuer is known by; of a server on any free port it is known once the port is bound.
package final class IssuerURL: Sendable {
    private let known: Mutex<String?>

    package init(_ value: String? = nil) { known = Mutex(value) }

    /// Nil: none, or none yet.
    package var value: String? { known.withLock { $0 } }

    /// Says what it is; what was said first stays.
    package func become(_ value: String) {
        known.withLock { known in known = known ?? value }
    }
}
