import Foundation
import Synchronization
public import TokenVault
public import VaultCore

/// A provider to add: its entry, and our client there.
public struct NewProvider: Sendable {
    /// The name of the provider in this vault.
    public var name: String
    package var registration: ProviderRegistration
    public var clientID: String
    /// The client secret; nil for a public client.
    public var clientSecret: SecretBytes?
    /// The endpoints instead of the entry's: those of another server, or those of discovery.
    public var endpoints: Provider.Endpoints? {
        get { registration.endpoints }
        set { registration.endpoints = newValue }
    }

    /// Makes a provider from an entry of the catalogue; docs/providers.md lists its variables.
    public init(
        _ name: String, catalogue entry: String, variables: [String: String] = [:], scope: String? = nil,
        clientID: String, clientSecret: SecretBytes?
    ) {
        self.name = name
        registration = ProviderRegistration(catalogue: entry, variables: variables, scope: scope)
        self.clientID = clientID
        self.clientSecret = clientSecret
    }

    /// Makes a provider from an entry of your own, as YAML.
    public init(
        _ name: String, yaml: String, variables: [String: String] = [:], scope: String? = nil,
        clientID: String, clientSecret: SecretBytes?
    ) {
        self.name = name
        registration = ProviderRegistration(yaml: yaml, variables: variables, scope: scope)
        self.clientID = clientID
        self.clientSecret = clientSecret
    }
}

/// A provider of this vault, as an operator sees it, without its secret.
public struct ConfiguredProvider: Sendable {
    public let id: ProviderID
    public let name: String
    public let provider: Provider
    public let state: ProviderState
    public let clientID: String
    public let hasClientSecret: Bool
    /// The default scope of a consent.
    public let scope: String?
    public let createdAt: VaultInstant
    /// The connections whose refusals put our client in doubt, with no success since; of a stopped provider those
    /// that stopped it.
    public let doubtedBy: [ConnectionID]
    /// The last refusal of them: `invalid-client`, `unauthorized-client`, `unauthorized`.
    public let doubt: String?
}

extension TokenKeeper {
    /// Adds a provider; its client secret is sealed under the vault's system key.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/invalidInput`` (naming the field and line of an entry),
    ///   ``VaultError/Code/notFound`` (no such entry).
    @discardableResult
    public func addProvider(_ new: NewProvider) async throws -> ConfiguredProvider {
        let (definition, credentials) = try Self.checked(new)
        let stored = try await vault.addProvider(
            new.name, definition: definition, credentials: credentials)
        return try configured(stored)
    }

    /// Replaces the entry or the credentials of a provider; a stopped one is called again.
    /// Its connections stay.
    @discardableResult
    public func replaceProvider(_ new: NewProvider) async throws -> ConfiguredProvider {
        let (definition, credentials) = try Self.checked(new)
        return try configured(
            try await vault.changeProvider(new.name, definition: definition, credentials: credentials))
    }

    /// Resumes a stopped provider.
    @discardableResult
    public func resumeProvider(_ name: String) async throws -> ConfiguredProvider {
        try configured(try await vault.changeProvider(name))
    }

    /// - Throws: ``VaultError/Code/denied`` while it has connections.
    public func removeProvider(_ name: String) async throws { try await vault.removeProvider(name) }

    /// Lists the providers of the vault in the order of their names.
    public func configuredProviders() async throws -> [ConfiguredProvider] {
        try await vault.providers().map(configured)
    }

    /// - Throws: ``VaultError/Code/notFound``.
    public func configuredProvider(_ name: String) async throws -> ConfiguredProvider {
        try configured(try await vault.provider(named: name))
    }

    private func configured(_ stored: StoredProvider) throws -> ConfiguredProvider {
        let known = try knownProvider(stored)
        return ConfiguredProvider(
            id: stored.id, name: stored.name, provider: known.provider, state: stored.state,
            clientID: known.dialect.credentials.clientID,
            hasClientSecret: known.dialect.credentials.clientSecret != nil, scope: known.defaultScope,
            createdAt: stored.createdAt, doubtedBy: stored.doubt?.connections.map { ConnectionID($0) } ?? [],
            doubt: stored.doubt?.reason)
    }

    private static func checked(_ new: NewProvider) throws -> (definition: String, credentials: SecretBytes) {
        let provider = try new.registration.provider()
        let isPublic = provider.client == .none
        guard isPublic || new.clientSecret != nil else {
            throw VaultError(
                .invalidInput, "This provider needs a client secret.",
                remedy: "Give the client secret.")
        }
        let isPlain = new.clientID.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        guard (1...1024).contains(new.clientID.utf8.count), isPlain else {
            throw VaultError(.invalidInput, "A client identifier has 1 to 1024 printable ASCII characters.")
        }
        let credentials = ProviderCredentials(clientID: new.clientID, clientSecret: new.clientSecret)
        return (try new.registration.encoded(), try credentials.sealedForm)
    }
}

extension NewProvider {
    /// Returns the entry with its variables filled in and its endpoints chosen.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` naming the field or variable, ``VaultError/Code/notFound``.
    public func filledEntry() throws -> Provider { try registration.provider() }

    /// With the endpoints and the client authentication of the issuer's discovery document, where the entry
    /// leaves them to it; otherwise as it is, and nothing is fetched. They are kept with the provider: a
    /// document that changes later changes nothing here until it is added again.
    ///
    /// - Throws: ``VaultError/Code/unavailable`` without an answer, ``VaultError/Code/invalidInput`` for a document that is
    ///   not the issuer's own or names what may not be used.
    public func discovered(over transport: any ProviderTransport) async throws -> NewProvider {
        let entry = try filledEntry()
        guard entry.isDiscovered, let issuer = entry.endpoints.issuer else { return self }
        let completed = try await DiscoveryDocument.fetch(issuer, over: transport).completing(entry)
        var found = self
        found.registration.variables = [:]
        found.registration.endpoints = completed.endpoints
        found.registration.client = completed.client
        if completed.requests.usesPKCE != entry.requests.usesPKCE {
            found.registration.usesPKCE = completed.requests.usesPKCE
        }
        return found
    }
}

extension DiscoveryDocument {
    /// Looks at each of the places where the document may be.
    package static func fetch(
        _ issuer: String, over transport: any ProviderTransport
    ) async throws(VaultError) -> DiscoveryDocument {
        var failure: VaultError?
        for request in requests(issuer: issuer) {
            do throws(TransportFailure) {
                let reply = try await transport.send(request)
                do throws(VaultError) { return try DiscoveryDocument(reply, issuer: issuer) } catch {
                    failure = failure ?? error
                }
            } catch {
                throw VaultError(
                    .unavailable, "The issuer does not answer: \(error.reason(at: request.url)).",
                    remedy: "Check its spelling and the network, or write an entry with endpoints.")
            }
        }
        throw failure ?? VaultError(.invalidInput, "The issuer is not https://host/path.")
    }
}

/// A provider as the keeper calls it: its entry, and our credentials there.
package struct KnownProvider: Sendable {
    package let stored: StoredProvider
    package let dialect: ProviderDialect
    /// The default scope of a consent.
    package let defaultScope: String?

    package var provider: Provider { dialect.provider }
    package var id: ProviderID { stored.id }
    package var isStopped: Bool { stored.state == .stopped }
}

extension TokenKeeper {
    /// A provider as this keeper calls it.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/invalidInput`` for an entry this version cannot read.
    package func knownProvider(_ id: ProviderID) async throws -> KnownProvider {
        try knownProvider(try await vault.provider(id))
    }

    package func knownProvider(named name: String) async throws -> KnownProvider {
        try knownProvider(try await vault.provider(named: name))
    }

    package func knownProvider(of connection: Connection) async throws -> KnownProvider {
        try await knownProvider(connection.provider)
    }

    /// The row is looked at for each call, its YAML parsed only when it changed.
    func knownProvider(_ stored: StoredProvider) throws -> KnownProvider {
        let last = providers.withLock { $0[stored.id] }
        if let last, last.stored.revision == stored.revision {
            return KnownProvider(stored: stored, dialect: last.dialect, defaultScope: last.defaultScope)
        }
        let registration = try ProviderRegistration(stored.definition)
        let provider = KnownProvider(
            stored: stored,
            dialect: ProviderDialect(
                try registration.provider(), try ProviderCredentials(sealedForm: stored.credentials)),
            defaultScope: registration.scope)
        providers.withLock { $0[stored.id] = provider }
        return provider
    }
}

/// What a provider row's definition holds: which entry, and what was chosen when it was added. JSON, keys
/// sorted.
package struct ProviderRegistration: Codable, Sendable, Equatable {
    /// Name of an entry of the catalogue, taken in whatever form this version ships it.
    package var catalogue: String?
    /// An entry of the user's own.
    package var yaml: String?
    package var variables: [String: String] = [:]
    /// The default scope of a consent.
    package var scope: String?
    /// Endpoints instead of the entry's: found by discovery, or of another server.
    package var endpoints: Provider.Endpoints?
    /// Instead of the entry's: found by discovery.
    package var client: Provider.ClientAuthentication?
    /// False: the discovery document has methods of PKCE, and S256 is not one of them.
    package var usesPKCE: Bool?
}

extension ProviderRegistration {
    /// - Throws: ``VaultError/Code/integrity`` for what no version wrote.
    package init(_ definition: String) throws {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(definition.utf8))
        } catch {
            throw VaultError(
                .integrity, "A provider's entry cannot be read.",
                remedy: "If a newer TokenVault wrote it, use that version.")
        }
    }

    package func encoded() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// The entry, its variables filled in.
    package func provider() throws -> Provider {
        var provider = try entry()
        if let endpoints { provider.endpoints = endpoints }
        if let client { provider.client = client }
        if let usesPKCE { provider.requests.usesPKCE = usesPKCE }
        return try provider.filling(variables)
    }

    private func entry() throws -> Provider {
        if let yaml { return try ProviderReader.read(yaml, file: "the stored entry") }
        guard let catalogue, let provider = ProviderCatalogue.provider(catalogue) else {
            throw VaultError(
                .notFound, "This version's catalogue has no entry of that name.",
                remedy: "List the catalogue.")
        }
        return provider
    }
}

extension Provider.ClientAuthentication: Codable {}

extension ProviderCredentials {
    /// As sealed in the row: JSON.
    package init(sealedForm: SecretBytes) throws {
        let form = try sealedForm.withExposed { try JSONDecoder().decode(SealedForm.self, from: Data($0)) }
        self.init(
            clientID: form.clientID, clientSecret: form.clientSecret.map { SecretBytes(copying: $0) })
    }

    package var sealedForm: SecretBytes {
        get throws {
            let form = SealedForm(clientID: clientID, clientSecret: clientSecret?.text)
            return SecretBytes(Array(try JSONEncoder().encode(form)))
        }
    }

    private struct SealedForm: Codable {
        let clientID: String
        let clientSecret: String?
    }
}
