import Foundation
public import VaultCore
import VaultCrypto

/// A registered client as of one moment.
public struct Client: Sendable {
    public let id: OwnerID
    /// The public identifier, `client_id`.
    public let clientID: String
    public let state: OwnerState
    public let registration: ClientRegistration
    public let createdAt: VaultInstant
    /// When each secret is accepted; the secrets themselves are not kept.
    public var secrets: [ClientSecretInfo] {
        secretRows.map { ClientSecretInfo(generation: $0.generation, notBefore: $0.notBefore, notAfter: $0.notAfter) }
    }
    let secretRows: [ClientSecretRow]
    package let pseudonym: Pseudonym

    init(owner: Owner, row: ClientRow, secrets: [ClientSecretRow], keyring: Keyring) throws {
        let identity = try JSONDecoder().decode(ClientIdentity.self, from: Data(try owner.identity(keyring)))
        let stored = try JSONDecoder().decode(StoredRegistration.self, from: Data(row.registration.utf8))
        id = owner.row.id
        clientID = identity.clientID
        state = owner.row.state
        registration = stored.registration(name: identity.name)
        createdAt = owner.row.createdAt
        secretRows = secrets
        pseudonym = owner.pseudonym
    }

    /// The generation of the secret presented, if it is one of this client's and accepted at `now`.
    ///
    /// Every secret is compared, in constant time, whichever matches.
    package func generation(of secret: SecretBytes, at now: VaultInstant, keys: ClientSecretKeys) -> Int64? {
        var found: Int64?
        for row in secretRows {
            guard let key = keys.tags[UInt8(truncatingIfNeeded: row.tagKeyID)] else { continue }
            let isEqual = ConstantTime.equal(row.tag, key.tag(.clientSecret, of: secret))
            if isEqual, now >= row.notBefore, row.notAfter.map({ now < $0 }) ?? true { found = row.generation }
        }
        return found
    }
}

/// The tag keys a client secret is checked with.
package struct ClientSecretKeys: Sendable {
    let tags: [UInt8: TagKey]
}

/// When a client secret is accepted.
public struct ClientSecretInfo: Sendable, Codable {
    /// 1 for the first secret.
    public let generation: Int64
    public let notBefore: VaultInstant
    public let notAfter: VaultInstant?
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

    init(_ registration: ClientRegistration) {
        methods = registration.authenticationMethods
        grants = registration.grantTypes
        redirects = registration.redirectURIs
        scope = registration.scope.text
        lifetimes = registration.lifetimes
    }

    func registration(name: String) -> ClientRegistration {
        var registration = ClientRegistration(name: name)
        registration.authenticationMethods = methods
        registration.grantTypes = grants
        registration.redirectURIs = redirects
        registration.scope = ScopeSet(parsing: scope) ?? .empty
        registration.lifetimes = lifetimes
        return registration
    }

    func encoded() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
