import OpenIDConnect
import TokenVault
import VaultCore

/// A client as printed.
///
/// ```
/// {"client_id":"…","client_secret":"tv_cs_…","created_at":"…","grant_types":[…],"name":"…","scope":"basic",…}
/// ```
struct ClientRecord: Record, ListRecord {
    let clientId: String
    /// Once, when it was made.
    var clientSecret: String?
    let name: String
    let state: String
    let tokenEndpointAuthMethods: [String]
    let grantTypes: [String]
    let responseTypes: [String]
    let redirectUris: [String]
    let scope: String
    let idTokenSignedResponseAlg: String
    /// Its public keys, a JWK Set, as registered.
    let jwks: String?
    /// Those that cannot verify an assertion, and why; nil where all can.
    let unusedKeys: [String]?
    let mayIntrospect: Bool
    /// Seconds.
    let codeLifetime, accessLifetime, idleLifetime, absoluteLifetime, retryWindow: Int64
    let secrets: [SecretRecord]
    let createdAt: Timestamp

    /// When a secret is accepted.
    struct SecretRecord: Encodable, Sendable {
        let generation: Int64
        /// When it was made.
        let notBefore: Timestamp
        let notAfter: Timestamp?
    }

    init(_ client: Client, secret: SecretBytes? = nil) {
        let registration = client.registration
        let lifetimes = registration.lifetimes
        clientId = client.clientID
        clientSecret = secret?.shown
        name = registration.name
        state = client.state.word
        tokenEndpointAuthMethods = registration.authenticationMethods.map(\.rawValue)
        grantTypes = registration.grantTypes.map(\.rawValue)
        responseTypes = registration.responseTypes.map(\.rawValue)
        redirectUris = registration.redirectURIs
        idTokenSignedResponseAlg = registration.idTokenAlgorithm.rawValue
        jwks = registration.keySet
        unusedKeys = registration.keySet.flatMap(Self.unusedKeys)
        mayIntrospect = registration.mayIntrospect
        scope = registration.scope.text
        codeLifetime = lifetimes.authorizationCode.components.seconds
        accessLifetime = lifetimes.accessToken.components.seconds
        idleLifetime = lifetimes.idle.components.seconds
        absoluteLifetime = lifetimes.absolute.components.seconds
        retryWindow = lifetimes.retryWindow.components.seconds
        secrets = client.secrets.map {
            SecretRecord(
                generation: $0.generation, notBefore: Timestamp($0.notBefore),
                notAfter: $0.notAfter.map(Timestamp.init))
        }
        createdAt = Timestamp(client.createdAt)
    }

    static let header = ["CLIENT_ID", "NAME", "STATE", "GRANT TYPES", "SCOPE"]
    var cells: [String] { [clientId, name, state, grantTypes.joined(separator: " "), scope] }

    var lines: [String] {
        var pairs = [("client_id", clientId)]
        if let clientSecret { pairs.append(("client_secret", clientSecret)) }
        pairs += [
            ("name", name), ("state", state),
            ("authentication", tokenEndpointAuthMethods.joined(separator: " ")),
            ("grant_types", grantTypes.joined(separator: " ")),
            ("response_types", responseTypes.joined(separator: ", ")),
        ]
        pairs += redirectUris.map { ("redirect_uri", $0) }
        pairs += [
            ("scope", scope), ("id_token_alg", idTokenSignedResponseAlg),
            ("may_introspect", mayIntrospect ? "yes" : "no"), ("code_lifetime", span(codeLifetime)),
            ("access_lifetime", span(accessLifetime)),
            ("idle_lifetime", span(idleLifetime)), ("absolute_lifetime", span(absoluteLifetime)),
            ("retry_window", span(retryWindow)),
        ]
        if let jwks { pairs.append(("jwks", jwks)) }
        pairs += (unusedKeys ?? []).map { ("unused key", $0) }
        pairs += secrets.map { secret in
            let end = secret.notAfter.map { " to \($0)" } ?? ""
            return ("secret \(secret.generation)", "from \(secret.notBefore)\(end)")
        }
        return Table.pairs(pairs + [("created_at", createdAt.description)])
    }

    private static func unusedKeys(_ keySet: String) -> [String]? {
        do throws(VaultError) {
            let unused = try ClientKeySet.check(keySet)
            return unused.isEmpty ? nil : unused.map(\.description)
        } catch { return [error.message] }
    }

    private func span(_ seconds: Int64) -> String {
        DurationArgument(.seconds(seconds)).defaultValueDescription
    }
}

extension OwnerState {
    /// As printed.
    var word: String {
        switch self {
        case .active: "active"
        case .disabled: "disabled"
        case .removed: "removed"
        }
    }
}
