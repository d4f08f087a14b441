import Foundation
import TokenRotation
public import VaultCore
package import VaultStore

/// How a client authenticates at the token endpoint (RFC 7591 section 2).
public enum ClientAuthenticationMethod: String, Codable, Sendable, CaseIterable {
    /// A public client, which has no secret.
    case none
    case basic = "client_secret_basic"
    case post = "client_secret_post"
    /// A JWT signed with a key of the client's registered key set (RFC 7523).
    case privateKeyJWT = "private_key_jwt"
}

/// Grant types a client may be registered for (RFC 7591 section 2).
public enum GrantType: String, Codable, Sendable, CaseIterable {
    case authorizationCode = "authorization_code"
    case refreshToken = "refresh_token"
    case clientCredentials = "client_credentials"
}

/// The registration of a client.
///
/// Durations are in milliseconds when encoded.
///
/// ```swift
/// var registration = ClientRegistration(name: "Mood tracker")
/// registration.redirectURIs = ["https://app.example/callback"]
/// registration.scope = ScopeSet(parsing: "basic readmeasurements") ?? .empty
/// ```
public struct ClientRegistration: Sendable, Equatable {
    /// The name, shown to people; unique within the vault.
    public var name: String
    /// The methods that are accepted. `none` alone makes a public client.
    public var authenticationMethods: [ClientAuthenticationMethod] = [.basic, .post]
    public var grantTypes: [GrantType] = [.authorizationCode, .refreshToken]
    /// The redirect URIs, compared octet by octet except for a loopback port (``accepts(redirectURI:)``).
    public var redirectURIs: [String] = []
    /// Schemes without a dot that its redirect URIs may have, such as `cursor`. Any program on a device can claim one, so
    /// they are for public clients, which use PKCE, and users are asked every time.
    public var appSchemes: [String] = []
    /// Whether `http://localhost` with any port is accepted where a redirect URI at `localhost` or a loopback address is
    /// registered (RFC 9700 section 2.1): for public clients, as above.
    public var acceptsAnyLocalhostPort = false
    /// Where a browser may be sent after the client signed its user out (OpenID Connect RP-Initiated Logout 1.0 section
    /// 3.1). They are compared octet by octet.
    public var postLogoutRedirectURIs: [String] = []
    /// Hosts of a private network that its redirect URIs may name with `http`. What is sent there can be read on the way, so
    /// such a client uses PKCE and no implicit type.
    public var insecureHosts: [String] = []
    /// The scope that the client may request.
    public var scope: ScopeSet = .empty
    public var lifetimes = Lifetimes()
    /// What the authorization endpoint may hand out to it. The implicit types (`token`, `id_token`, both) are
    /// for clients that cannot do better.
    public var responseTypes: [ResponseType] = [.code]
    /// How its id_tokens are signed.
    public var idTokenAlgorithm = SigningAlgorithm.rs256
    /// Its public keys, as the text of a JWK Set: with `private_key_jwt`, and only with it. The vault sees
    /// that they are public. Check with `ClientKeySet.check` that assertions can be verified with them.
    public var keySet: String?
    /// What a replaced refresh token is still good for.
    public var rotation = RefreshTokenRotation.strict
    /// Where its key set lies instead, as a ``/VaultCore/DocumentURL`` takes it (`jwks_uri`).
    public var keySetURI: String?
    /// A resource server: it may introspect access tokens that were issued to other clients.
    public var mayIntrospect = false

    /// Of a client that registered itself: the user by whom it came into the vault.
    package var broughtBy: OwnerID?

    /// How the column `registration` of such a client begins, by which a user's clients are counted.
    package static func storedStart(broughtBy user: OwnerID) -> String { "{\"by\":\(user.rawValue)," }

    public init(name: String) { self.name = name }

    public var isPublic: Bool { authenticationMethods == [.none] }

    /// Whether the client authenticates with a secret that the vault made.
    public var usesSecret: Bool {
        authenticationMethods.contains(.basic) || authenticationMethods.contains(.post)
    }

    /// Whether the client gets tokens from the authorization endpoint.
    public var isImplicit: Bool { responseTypes.contains { $0 != .code } }
}

/// The lifetimes of a client's codes, tokens and grants.
public struct Lifetimes: Codable, Sendable, Equatable {
    /// Lifetime of an authorization code; at most 10 minutes.
    public var authorizationCode = Duration.seconds(60)
    public var accessToken = Duration.seconds(3600)
    /// A grant that is not refreshed for this long ends.
    public var idle = Duration.seconds(30 * 86400)
    /// The lifetime of a grant in all; no refresh extends it.
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

    /// Each with its name in JSON, where it is in milliseconds.
    private static var members: [(WritableKeyPath<Lifetimes, Duration>, CodingKeys)] {
        [
            (\.authorizationCode, .authorizationCode), (\.accessToken, .accessToken), (\.idle, .idle),
            (\.absolute, .absolute), (\.retryWindow, .retryWindow),
        ]
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        for (member, name) in Self.members {
            self[keyPath: member] = .milliseconds(try values.decode(Int64.self, forKey: name))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        for (member, name) in Self.members {
            try values.encode(self[keyPath: member].milliseconds, forKey: name)
        }
    }
}

/// What the authorization endpoint returns (RFC 6749 section 3.1.1, OAuth 2.0 Multiple Response Types section 5).
public enum ResponseType: String, Codable, Sendable, CaseIterable {
    case code
    /// Implicit: an access token in the fragment. Off unless the client is registered for it.
    case token
    case idToken = "id_token"
    case idTokenToken = "id_token token"

    /// The order of the words does not matter, and one that repeats counts once: `token id_token` is `id_token token`.
    public init?(words text: String) {
        let words = Set(text.split(separator: " ", omittingEmptySubsequences: false)).sorted()
        self.init(rawValue: words.joined(separator: " "))
    }
}

/// A registered client, as it was when it was read.
public struct Client: Sendable {
    /// 0 for a client that registered itself and that no user has allowed yet.
    public let id: OwnerID
    /// The public identifier, `client_id`.
    public let clientID: String
    public let state: OwnerState
    public package(set) var registration: ClientRegistration
    /// It registered itself: its name is a stranger's claim.
    public let isSelfRegistered: Bool
    /// It registered itself, and an operator changed what it has since.
    package let isChangedByOperator: Bool
    public let createdAt: VaultInstant
    /// The client's secrets; only tags of them are stored.
    public let secrets: [ClientSecretInfo]
    package let pseudonym: Pseudonym
    let rotationPolicy: RotationPolicy
    /// Of the registry, where this was taken from memory (``Vault/recentClient(identifiedBy:)``): what is done for it must
    /// find the same. Nil: read from the database.
    var revision: RegistryRevision?

    /// What decides which tokens it may see: a client is large, and would be copied for each of them.
    package typealias Sight = (id: OwnerID, seesAll: Bool, revision: RegistryRevision?)
    package var sight: Sight { (id, registration.mayIntrospect, revision) }

    init(owner: Owner, row: ClientRow, secrets: [ClientSecretInfo], keyring: Keyring) throws {
        let identity = try JSONDecoder().decode(ClientIdentity.self, from: Data(try owner.identity(keyring)))
        let stored = try JSONDecoder().decode(StoredRegistration.self, from: Data(row.registration.utf8))
        id = owner.row.id
        clientID = identity.clientID
        state = owner.row.state
        var registration = stored.registration(name: identity.name)
        if let text = row.rotation {
            guard let rotation = RefreshTokenRotation(text) else {
                throw VaultError(
                    .integrity, "A client has a rotation policy that this version does not know.")
            }
            registration.rotation = rotation
        }
        self.registration = registration
        rotationPolicy = RotationPolicy(
            retryWindow: registration.lifetimes.retryWindow, rotation: registration.rotation)
        isSelfRegistered = row.selfRegistered == 1
        isChangedByOperator = stored.isOperators ?? false
        createdAt = owner.row.createdAt
        self.secrets = secrets
        pseudonym = owner.pseudonym
    }

    /// A client that registered itself and that no user has allowed yet: it is not in the vault.
    package init(_ registration: ClientRegistration, clientID: String, registeredAt: VaultInstant) {
        (id, state, secrets) = (OwnerID(0), .active, [])
        (isSelfRegistered, isChangedByOperator) = (true, false)
        (self.clientID, self.registration, createdAt) = (clientID, registration, registeredAt)
        rotationPolicy = RotationPolicy(
            retryWindow: registration.lifetimes.retryWindow, rotation: registration.rotation)
        pseudonym = Pseudonym()
    }
}

/// When a client secret is accepted: one row of `client_secrets`.
public struct ClientSecretInfo: Sendable {
    public let id: Int64
    package let client: OwnerID
    /// The number of the secret, from 1.
    public let generation: Int64
    package let tag: [UInt8]
    package let tagKeyID: Int64
    /// The time it was made; it is accepted from then on.
    public let notBefore: VaultInstant
    public package(set) var notAfter: VaultInstant?
}

/// What is sealed of a client.
package struct ClientIdentity: Codable {
    package let clientID: String
    let name: String
}

/// What is kept of a registration in the clear, under the row tag.
struct StoredRegistration: Codable {
    let methods: [ClientAuthenticationMethod]
    let grants: [GrantType]
    let redirects: [String]
    let scope: String
    let lifetimes: Lifetimes
    // Absent in rows that were written before there were such clients.
    let responses: [ResponseType]?
    let idTokenAlgorithm: SigningAlgorithm?
    let keySet: String?
    let keySetURI: String?
    let introspects: Bool?
    // Absent where there are none, and false.
    let schemes: [String]?
    let localhost: Bool?
    let logoutRedirects: [String]?
    let insecureHosts: [String]?
    let by: Int64?
    var isOperators: Bool?

    init(_ registration: ClientRegistration) {
        methods = registration.authenticationMethods
        grants = registration.grantTypes
        redirects = registration.redirectURIs
        scope = registration.scope.text
        lifetimes = registration.lifetimes
        responses = registration.responseTypes
        idTokenAlgorithm = registration.idTokenAlgorithm
        keySet = registration.keySet
        keySetURI = registration.keySetURI
        introspects = registration.mayIntrospect
        schemes = registration.appSchemes.isEmpty ? nil : registration.appSchemes
        localhost = registration.acceptsAnyLocalhostPort ? true : nil
        let uris = registration.postLogoutRedirectURIs
        logoutRedirects = uris.isEmpty ? nil : uris
        insecureHosts = registration.insecureHosts.isEmpty ? nil : registration.insecureHosts
        by = registration.broughtBy?.rawValue
    }

    func registration(name: String) -> ClientRegistration {
        var registration = ClientRegistration(name: name)
        registration.authenticationMethods = methods
        registration.grantTypes = grants
        registration.redirectURIs = redirects
        registration.broughtBy = by.map { OwnerID($0) }
        registration.scope = ScopeSet(stored: scope) ?? .empty
        registration.lifetimes = lifetimes
        registration.responseTypes = responses ?? registration.responseTypes
        registration.idTokenAlgorithm = idTokenAlgorithm ?? registration.idTokenAlgorithm
        registration.keySet = keySet
        registration.keySetURI = keySetURI
        registration.mayIntrospect = introspects ?? registration.mayIntrospect
        registration.appSchemes = schemes ?? []
        registration.acceptsAnyLocalhostPort = localhost ?? false
        registration.postLogoutRedirectURIs = logoutRedirects ?? []
        registration.insecureHosts = insecureHosts ?? []
        return registration
    }

    /// With its keys sorted, of which `by` is the first: see ``ClientRegistration/storedStart(broughtBy:)``.
    func encoded() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
