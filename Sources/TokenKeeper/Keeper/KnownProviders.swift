import Foundation
import Synchronization
package import TokenVault
package import VaultCore

/// A provider as the keeper calls it: its entry, and our credentials there.
package struct KnownProvider: Sendable {
    package let stored: StoredProvider
    package let dialect: ProviderDialect
    /// Asked for where nobody says otherwise.
    package let defaultScope: String?

    package var provider: Provider { dialect.provider }
    package var id: ProviderID { stored.id }
    package var isStopped: Bool { stored.state == .stopped }
}

extension TokenKeeper {
    /// A provider as this keeper calls it.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/invalidInput`` for an entry this version cannot read.
    package func knownProvider(_ id: ProviderID) throws -> KnownProvider {
        try knownProvider(try vault.provider(id))
    }

    package func knownProvider(named name: String) throws -> KnownProvider {
        try knownProvider(try vault.provider(named: name))
    }

    package func knownProvider(of connection: Connection) throws -> KnownProvider {
        try knownProvider(connection.provider)
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
    /// Asked for where nobody says otherwise.
    package var scope: String?
    /// Instead of the entry's: found by discovery, or a server of one's own.
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
                .integrity, "A provider's definition cannot be read.",
                remedy: "Was it written by a newer tokenvault? Use that version.")
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
                remedy: "See 'tokenvault provider list --catalogue'.")
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
            let secret = clientSecret?.withExposed { String(decoding: $0, as: UTF8.self) }
            return SecretBytes(
                Array(try JSONEncoder().encode(SealedForm(clientID: clientID, clientSecret: secret))))
        }
    }

    private struct SealedForm: Codable {
        let clientID: String
        let clientSecret: String?
    }
}
