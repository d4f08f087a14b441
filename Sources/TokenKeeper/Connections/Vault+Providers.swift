package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

/// A provider as it is kept: what its definition means is the keeper's business.
package struct StoredProvider: Sendable {
    private let row: ProviderRow
    package let credentials: SecretBytes
    /// Which connections were refused so that our client is in doubt; nil: none since the last success.
    package let doubt: ProviderDoubt?

    package var id: ProviderID { row.id }
    package var name: String { row.name }
    package var state: ProviderState { row.state }
    /// Goes up with every change of definition or credentials.
    package var revision: Int64 { row.revision }
    package var definition: String { row.definition }
    package var createdAt: VaultInstant { row.createdAt }
}

extension Vault {
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/invalidInput``.
    package func addProvider(
        _ name: String, definition: String, credentials: SecretBytes
    ) async throws -> StoredProvider {
        try NameRules.check(name, what: "provider name")
        try Self.check(definition)
        return try await write { [operatorActor] transaction in
            let systemKey = try transaction.systemKey(.keeper)
            guard try transaction.database.provider(named: name, transaction.keyring) == nil else {
                throw VaultError(
                    .alreadyExists, "There is a provider of that name.",
                    remedy:
                        "Choose another name, or replace the provider.")
            }
            let id = ProviderID(transaction.next(\.nextGrantID))
            let row = ProviderRow(
                id: id, name: name, state: .active, revision: 1, definition: definition,
                credentials: try transaction.keyring.sealed(credentials, of: id, 1, systemKey),
                createdAt: transaction.now)
            try transaction.insert(row)
            return Audited(
                try StoredProvider(row, transaction.keyring, systemKey),
                AuditEvent(.providerAdd, provider: row, by: operatorActor))
        }
    }

    /// Changes what is given; a stopped provider is called again.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    package func changeProvider(
        _ name: String, definition: String? = nil, credentials: SecretBytes? = nil
    ) async throws -> StoredProvider {
        if let definition { try Self.check(definition) }
        return try await write { [operatorActor] transaction in
            let systemKey = try transaction.systemKey(.keeper)
            let keyring = transaction.keyring
            guard var row = try transaction.database.provider(named: name, keyring) else {
                throw Self.noProvider
            }
            let kept = try keyring.credentials(of: row, systemKey)
            let wasStopped = row.state == .stopped
            row.revision += 1
            row.state = .active
            row.definition = definition ?? row.definition
            try row.setDoubt(nil)
            row.credentials = try keyring.sealed(credentials ?? kept, of: row.id, row.revision, systemKey)
            try transaction.update(row)
            return Audited(
                try StoredProvider(row, keyring, systemKey),
                AuditEvent(
                    .providerChange, provider: row, by: operatorActor,
                    reason: wasStopped ? LeafReason.resumed : nil))
        }
    }

    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/denied`` while it has connections.
    package func removeProvider(_ name: String) async throws {
        try await write(.finishing) { [operatorActor] transaction in
            guard let row = try transaction.database.provider(named: name, transaction.keyring) else {
                throw Self.noProvider
            }
            let isUsed = try transaction.database.finds(
                "SELECT 1 FROM connections WHERE provider_id = ?", [.integer(row.id.rawValue)])
            guard !isUsed else {
                throw VaultError(
                    .denied, "The provider has connections.",
                    remedy: "List the connections and remove those of this provider first.")
            }
            try transaction.delete(.providers, id: row.id.rawValue)
            return Audited((), AuditEvent(.providerRemove, provider: row, by: operatorActor))
        }
    }

    package func provider(_ id: ProviderID) async throws -> StoredProvider {
        try await provider(where: "id = ?", .integer(id.rawValue))
    }

    package func provider(named name: String) async throws -> StoredProvider {
        try await provider(where: "name = ?", .text(name))
    }

    package func providers() async throws -> [StoredProvider] {
        try await providers(where: "true ORDER BY name", [])
    }

    private func provider(where condition: String, _ value: SQLValue) async throws -> StoredProvider {
        guard let found = try await providers(where: condition, [value]).first else { throw Self.noProvider }
        return found
    }

    private func providers(where condition: String, _ values: [SQLValue]) async throws -> [StoredProvider] {
        try await snapshot { database, keys in
            let (keyring, systemKey) = (keys.keyring, try keys.system.key(.keeper))
            return try database.loadAll(ProviderRow.self, where: condition, values, keyring).map {
                try StoredProvider($0, keyring, systemKey)
            }
        }
    }

    private static func check(_ definition: String) throws {
        guard definition.utf8.count <= Limits.providerDefinitionBytes else {
            throw invalid("A provider's definition has at most \(Limits.providerDefinitionBytes) bytes.")
        }
    }

    static let noProvider = VaultError(
        .notFound, "There is no such provider.", remedy: "List the providers.")
}

extension StoredProvider {
    init(_ row: ProviderRow, _ keyring: Keyring, _ systemKey: OwnerKey) throws {
        self.row = row
        credentials = try keyring.credentials(of: row, systemKey)
        doubt = row.doubt
    }

    /// How long a stopped provider is left alone; nil: it may be called once, to see whether it takes our client again.
    package func probeWait(at now: VaultInstant) -> Duration? {
        guard let doubt else { return .seconds(60) }
        return doubt.probeWait(at: now)
    }
}

extension AuditEvent {
    init(_ operation: AuditOperation, provider row: ProviderRow, by actor: AuditActor, reason: String? = nil)
    {
        self.init(
            operation, by: actor, reason: reason, grant: GrantID(row.id.rawValue),
            generation: UInt32(clamping: row.revision))
    }
}

extension Keyring {
    fileprivate func sealed(
        _ credentials: SecretBytes, of id: ProviderID, _ revision: Int64, _ systemKey: OwnerKey
    ) throws -> [UInt8] {
        try credentials.withExposed {
            try SealedField.seal($0, under: systemKey, for: credentialsContext(id, revision), padded: true)
        }
    }

    fileprivate func credentials(of row: ProviderRow, _ systemKey: OwnerKey) throws -> SecretBytes {
        SecretBytes(
            try SealedField.open(
                row.credentials, with: systemKey, for: credentialsContext(row.id, row.revision)))
    }

    private func credentialsContext(_ id: ProviderID, _ revision: Int64) -> AssociatedData {
        context(.providers, "credentials", row: id.rawValue, generation: UInt64(clamping: revision))
    }
}

extension Database {
    fileprivate func provider(named name: String, _ keyring: Keyring) throws -> ProviderRow? {
        try loadAll(ProviderRow.self, where: "name = ?", [.text(name)], keyring).first
    }
}
