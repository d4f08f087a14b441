import Foundation
public import VaultCore

/// A registered client as of one moment.
public struct Client: Sendable {
    public let id: OwnerID
    /// The public identifier, `client_id`.
    public let clientID: String
    public let state: OwnerState
    public let registration: ClientRegistration
    public let createdAt: VaultInstant
    /// Of the secrets themselves only tags are kept.
    public let secrets: [ClientSecretInfo]
    package let pseudonym: Pseudonym

    init(owner: Owner, row: ClientRow, secrets: [ClientSecretInfo], keyring: Keyring) throws {
        let identity = try JSONDecoder().decode(ClientIdentity.self, from: Data(try owner.identity(keyring)))
        let stored = try JSONDecoder().decode(StoredRegistration.self, from: Data(row.registration.utf8))
        id = owner.row.id
        clientID = identity.clientID
        state = owner.row.state
        registration = stored.registration(name: identity.name)
        createdAt = owner.row.createdAt
        self.secrets = secrets
        pseudonym = owner.pseudonym
    }
}

/// When a client secret is accepted: one row of `client_secrets`.
public struct ClientSecretInfo: Sendable {
    public let id: Int64
    let client: OwnerID
    /// 1 for the client's first secret.
    public let generation: Int64
    let tag: [UInt8]
    let tagKeyID: Int64
    /// When it was made, by the clock of that moment; it is accepted at once.
    public let notBefore: VaultInstant
    public internal(set) var notAfter: VaultInstant?
}

/// What is sealed of a client.
struct ClientIdentity: Codable {
    let clientID: String
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
    let introspects: Bool?

    init(_ registration: ClientRegistration) {
        methods = registration.authenticationMethods
        grants = registration.grantTypes
        redirects = registration.redirectURIs
        scope = registration.scope.text
        lifetimes = registration.lifetimes
        responses = registration.responseTypes
        idTokenAlgorithm = registration.idTokenAlgorithm
        keySet = registration.keySet
        introspects = registration.mayIntrospect
    }

    func registration(name: String) -> ClientRegistration {
        var registration = ClientRegistration(name: name)
        registration.authenticationMethods = methods
        registration.grantTypes = grants
        registration.redirectURIs = redirects
        registration.scope = ScopeSet(stored: scope) ?? .empty
        registration.lifetimes = lifetimes
        registration.responseTypes = responses ?? registration.responseTypes
        registration.idTokenAlgorithm = idTokenAlgorithm ?? registration.idTokenAlgorithm
        registration.keySet = keySet
        registration.mayIntrospect = introspects ?? registration.mayIntrospect
        return registration
    }

    func encoded() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
