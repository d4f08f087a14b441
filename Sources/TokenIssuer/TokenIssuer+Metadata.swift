import Synchronization
import TokenVault
import VaultCore

extension TokenIssuer {
    /// The members of the issuer's metadata (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3): what is
    /// served, and nothing else.
    ///
    /// - Throws: `temporarily_unavailable` while the issuer's URL is not known.
    public func metadata() async throws(OAuthError) -> [String: ClaimValue] {
        guard let issuer else {
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "The server is starting. Try again.", retryAfter: 1)
        }
        func texts(_ values: [String]) -> ClaimValue { .array(values.map { .string($0) }) }
        do {
            var members: [String: ClaimValue] = ["issuer": .string(issuer)]
            let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
            for name in MountedEndpoints.Name.allCases {
                members[name.rawValue] = endpoints[name].map { .string(base + $0) }
            }
            var (types, grants) = ([ResponseType](), GrantType.allCases.map(\.rawValue))
            if endpoints[.authorization] != nil {
                types = [.code, .token]
                grants.append("implicit")
                members["response_modes_supported"] = texts(
                    AuthorizationResponder.Mode.allCases.map(\.rawValue))
                members["authorization_response_iss_parameter_supported"] = true
            }
            if let idTokens {
                if endpoints[.authorization] != nil { types += [.idToken, .idTokenToken] }
                members["subject_types_supported"] = ["public"]
                members["id_token_signing_alg_values_supported"] = texts(
                    try await idTokens.algorithms().map(\.rawValue))
                members["claims_supported"] = texts(
                    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash"] + claims.names)
                members["request_parameter_supported"] = false
                // Left out, it would mean true.
                members["request_uri_parameter_supported"] = false
            }
            if documents != nil, registration != nil, endpoints[.authorization] != nil {
                members["client_id_metadata_document_supported"] = true
            }
            members["scopes_supported"] = texts(try await scopes())
            members["response_types_supported"] = texts(types.map(\.rawValue))
            members["grant_types_supported"] = texts(grants)
            members["code_challenge_methods_supported"] = ["S256"]
            // An extension of ours: docs/rotation.md.
            members["refresh_token_rotation_policies_supported"] = texts(RefreshTokenRotation.names)
            typealias Method = ClientAuthenticationMethod
            let proving: [Method] = [.basic, .post] + (assertions == nil ? [] : [.privateKeyJWT])
            for (endpoint, methods) in [
                ("token", proving + [Method.none]), ("revocation", proving + [Method.none]),
                ("introspection", proving),
            ] {
                let name = "\(endpoint)_endpoint_auth"
                members["\(name)_methods_supported"] = texts(methods.map(\.rawValue))
                members["\(name)_signing_alg_values_supported"] = assertions.map { texts($0.algorithms) }
            }
            return members
        } catch { throw failure(error) }
    }

    /// What clients may ask for: what some client is registered for, and what the operator declared. Clients take it for what to ask (MCP), so there is no
    /// more of it than one request can hold; what a client may not have is left out of its request.
    private func scopes() async throws -> [String] {
        let first = (idTokens == nil ? [] : [Self.openIDScope]) + profile.scopes
        let others = try await vault.clients.registeredScopes().union(vault.scopes.texts().keys)
            .subtracting(first).sorted()
        var length = -1
        return (first + others).filter { name in
            length += name.utf8.count + 1
            return length <= Limits.scopeBytes
        }
    }

    /// The public signing keys as a JWK Set; nil: OpenID Connect is off.
    public func keySet() async throws(OAuthError) -> [UInt8]? {
        guard let idTokens else { return nil }
        do { return try await idTokens.keySet() } catch { throw failure(error) }
    }
}

/// Which endpoints are served, and where: metadata names these and no other.
package final class MountedEndpoints: Sendable {
    /// By what metadata call it (RFC 8414 section 2).
    package enum Name: String, Sendable, CaseIterable {
        case authorization = "authorization_endpoint"
        case token = "token_endpoint"
        case revocation = "revocation_endpoint"
        case introspection = "introspection_endpoint"
        case userinfo = "userinfo_endpoint"
        case keySet = "jwks_uri"
        case registration = "registration_endpoint"
        case endSession = "end_session_endpoint"
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
