import Foundation
public import VaultCore
import VaultCrypto
import VaultStore

/// A new client and, if it is confidential, its secret, which is returned only now.
public struct NewClient: Sendable {
    public let client: Client
    public let secret: SecretBytes?
}

extension Vault {
    /// The clients that may ask this vault's issuer for tokens.
    public var clients: VaultClients { VaultClients(vault: self) }

    static let noClient = VaultError(.notFound, "There is no such client.", remedy: "List the clients.")
}

/// Registers, finds, changes and removes the clients of a vault.
///
/// ```swift
/// let new = try await vault.clients.add(ClientRegistration(name: "app"))
/// try await vault.clients.disable("app")
/// ```
///
/// A text names a client by its `client_id`, or else by its name. The audit log names the operator for
/// these calls.
public struct VaultClients: Sendable {
    package let vault: Vault

    /// Registers a client. One that authenticates with a secret gets its first.
    ///
    /// - Parameter clientID: the public identifier, 1 to 128 unreserved characters; random when nil.
    /// - Throws: ``VaultError/Code/invalidInput`` for a registration that contradicts itself;
    ///   ``VaultError/Code/alreadyExists`` when the name or the identifier is taken.
    public func add(_ registration: ClientRegistration, clientID: String? = nil) async throws -> NewClient {
        let registration = try registration.checked()
        let clientID = clientID ?? ClientIDRules.random()
        try ClientIDRules.check(clientID)
        let secret = registration.usesSecret ? ClientSecret.generate() : nil
        return try await vault.write { transaction in
            let keyring = transaction.keyring
            let database = try transaction.database
            let idTags = keyring.lookup.tags(.clientID, of: Array(clientID.utf8))
            let nameTags = keyring.lookup.tags(.clientName, of: Array(registration.name.utf8))
            guard try database.ownerID(tags: idTags) == nil, try database.clientID(nameTags: nameTags) == nil
            else {
                throw VaultError(
                    .alreadyExists, "There is a client of that name or identifier.",
                    remedy: "List the clients.")
            }
            let owner = try transaction.addClient(registration, clientID, nameTag: nameTags.first)
            if let secret { _ = try transaction.insertSecret(secret, of: owner.row.id, generation: 1) }
            let event = AuditEvent(.clientAdd, by: vault.operatorActor, subject: owner.pseudonym)
            guard let client = try transaction.client(owner.row.id) else { throw Vault.noClient }
            return Audited(NewClient(client: client, secret: secret), event)
        }
    }

    /// Finds the client with this `client_id`, or else with this name.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for one that was removed.
    public func find(_ name: String) async throws -> Client {
        let bytes = Array(name.utf8)
        return try await found { database, keyring, revision in
            let tags = keyring.lookup.tags(.clientID, of: bytes)
            return try vault.registry.ownerID(lookupTags: tags, database, revision: revision)
                ?? database.clientID(nameTags: keyring.lookup.tags(.clientName, of: bytes))
        }
    }

    /// Finds the client of a grant, a consent or a token.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for one that was removed.
    public func find(_ id: OwnerID) async throws -> Client { try await found { _, _, _ in id } }

    private func found(
        _ look: @escaping (Database, Keyring, RegistryRevision?) throws -> OwnerID?
    ) async throws -> Client {
        guard let client = try await first(look) else { throw Vault.noClient }
        return client
    }

    /// The client with this `client_id`, for authentication; nil if it is unknown or was removed.
    package func first(identifiedBy clientID: String) async throws -> Client? {
        guard clientID.utf8.count <= Limits.clientIDBytes else { return nil }
        return try await first { database, keyring, revision in
            let tags = keyring.lookup.tags(.clientID, of: Array(clientID.utf8))
            let id = try vault.registry.ownerID(lookupTags: tags, database, revision: revision)
            if id == nil { try keyring.rows.roster?.check { try $0.confirmUnknown(tags) } }
            return id
        }
    }

    /// Nil also for one that was removed.
    private func first(
        _ look: @escaping (Database, Keyring, RegistryRevision?) throws -> OwnerID?
    ) async throws -> Client? {
        try await vault.snapshot { database, keys in
            let revision = try keys.checkedRevision(database)
            guard let id = try look(database, keys.keyring, revision),
                let client = try vault.registry.client(id, database, keys.keyring, revision: revision),
                client.state != .removed
            else { return nil }
            return client
        }
    }

    /// Makes sure that a client whose secret was found wrong has no other.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when an index left one out.
    package func confirmSecrets(of id: OwnerID) async throws {
        try await vault.snapshot { database, keys in
            let revision = try keys.checkedRevision(database)
            guard let client = try vault.registry.client(id, database, keys.keyring, revision: revision)
            else {
                return
            }
            try keys.keyring.rows.roster?.check { try $0.confirmAll(client.secrets.count, of: id) }
        }
    }

    /// Lists the clients that were not removed, in order of registration.
    ///
    /// - Parameters:
    ///   - last: the client that the page before ended with.
    ///   - limit: the most clients to return; every client by default.
    public func list(after last: OwnerID = .system, limit: Int = .max) async throws -> [Client] {
        try await list(after: last, limit: limit, where: "true")
    }

    /// Lists the clients that an operator registered: not the many that may have registered themselves.
    package func listOfOperators() async throws -> [Client] {
        try await list(
            after: .system, limit: .max,
            where: "NOT EXISTS (SELECT 1 FROM clients WHERE id = owners.id AND self_registered = 1)")
    }

    private func list(after last: OwnerID, limit: Int, where condition: String) async throws -> [Client] {
        try await vault.scan { database, keys in
            let revision = try keys.checkedRevision(database)
            return try database.ids(
                "owners", after: last.rawValue, where: "kind = 3 AND state != 3 AND \(condition)",
                limit: limit
            ).compactMap {
                try vault.registry.client(OwnerID($0), database, keys.keyring, revision: revision)
            }
        }
    }

    /// The names that some client is registered for, as metadata tell them to anyone: that must not read every client each
    /// time, so they are kept while the registry stays as it is.
    package func registeredScopes() async throws -> Set<String> {
        let revision = try await vault.snapshot { try $1.checkedRevision($0) }
        if let known = vault.knownScopes.value(revision) { return known }
        let names = Set(try await listOfOperators().flatMap(\.registration.scope.names))
        vault.knownScopes.keep(names, revision)
        return names
    }

    /// Enables a client that was disabled: it can authenticate again.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    @discardableResult
    public func enable(_ name: String) async throws -> Client {
        try await change(find(name).id, .clientChange, reason: "enabled", .newWork) { owner, _ in
            owner.state = .active
        }
    }

    /// Disables a client: it fails authentication, and its grants are refused until it is enabled again.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    @discardableResult
    public func disable(_ name: String) async throws -> Client {
        try await change(find(name).id, .clientChange, reason: "disabled", .finishing) { owner, _ in
            owner.state = .disabled
        }
    }

    /// Removes a client: every grant of it is revoked, its name and identifier are free again.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func remove(_ name: String) async throws {
        let id = try await find(name).id
        _ = try await change(id, .clientRemove, reason: nil, .finishing) { owner, row in
            owner.remove()
            row.nameTag = nil
        }
        try await vault.forgetConsents(of: id)
    }

    /// Gives a client a new secret, which is returned only now.
    ///
    /// - Parameter overlap: how long earlier secrets are still accepted: 0 seconds to 366 days.
    /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/invalidInput`` for another overlap;
    ///   ``VaultError/Code/denied`` for a client without secrets, or with ``Limits/clientSecrets`` that are accepted.
    public func rotateSecret(of name: String, overlap: Duration) async throws -> NewClient {
        guard (.zero...Duration.seconds(366 * 86400)).contains(overlap) else {
            throw invalid("The overlap is 0 seconds to 366 days.")
        }
        let id = try await find(name).id
        let secret = ClientSecret.generate()
        return try await vault.write { transaction in
            guard let client = try transaction.client(id) else { throw Vault.noClient }
            guard !client.registration.isPublic else {
                throw VaultError(.denied, "A public client has no secret.")
            }
            guard client.registration.usesSecret else {
                throw VaultError(.denied, "The client does not authenticate with a secret.")
            }
            let end = transaction.now.advanced(by: overlap)
            var accepted = 0
            for var row in client.secrets {
                if let notAfter = row.notAfter, notAfter <= transaction.now {
                    try transaction.delete(.clientSecrets, id: row.id)
                } else {
                    row.notAfter = row.notAfter.map { min($0, end) } ?? end
                    try transaction.update(row)
                    accepted += 1
                }
            }
            guard accepted < Limits.clientSecrets else {
                throw VaultError(
                    .denied, "The client already has \(Limits.clientSecrets) accepted secrets.",
                    remedy: "Wait for one to end, or rotate with a shorter overlap.")
            }
            let generation = (client.secrets.last?.generation ?? 0) + 1
            _ = try transaction.insertSecret(secret, of: id, generation: generation)
            let event = AuditEvent(
                .clientSecretAdd, by: vault.operatorActor, subject: client.pseudonym,
                generation: UInt32(truncatingIfNeeded: generation))
            guard let changed = try transaction.client(id) else { throw Vault.noClient }
            return Audited(NewClient(client: changed, secret: secret), event)
        }
    }

    private func change(
        _ id: OwnerID, _ operation: AuditOperation, reason: String?, _ urgency: WriteUrgency,
        _ change: @escaping @Sendable (inout OwnerRow, inout ClientRow) -> Void
    ) async throws -> Client {
        try await vault.write(urgency) { transaction in
            guard var owner = try transaction.load(OwnerRow.self, id.rawValue)?.row,
                var row = try transaction.load(ClientRow.self, id.rawValue)?.row,
                let client = try transaction.client(id), owner.state != .removed
            else { throw Vault.noClient }
            change(&owner, &row)
            try transaction.update(owner)
            try transaction.update(row)
            let event = AuditEvent(
                operation, by: vault.operatorActor, reason: reason, subject: client.pseudonym)
            guard let changed = try transaction.client(id) else { throw Vault.noClient }
            return Audited(changed, event)
        }
    }
}

extension WriteTransaction {
    /// - Parameter nameTag: nil for a client that registered itself: any number of them may have one name.
    package func addClient(
        _ registration: ClientRegistration, _ clientID: String, nameTag: [UInt8]?
    ) throws -> Owner {
        let identity = ClientIdentity(clientID: clientID, name: registration.name)
        let owner = try makeOwner(
            OwnerID(next(\.nextOwnerID)), kind: .client, identity: Array(try JSONEncoder().encode(identity)),
            lookupTag: keyring.lookup.tags(.clientID, of: Array(clientID.utf8)).first)
        var row = ClientRow(
            id: owner.row.id, nameTag: nameTag, registration: "", selfRegistered: nameTag == nil ? 1 : nil)
        try row.register(registration)
        try insert(row)
        return owner
    }

    /// Changes what is registered of a client, and nothing else of it.
    package func register(
        _ registration: ClientRegistration, of id: OwnerID, isOperators: Bool
    ) throws {
        guard var row = try load(ClientRow.self, id.rawValue)?.row else { throw Vault.noClient }
        try row.register(registration, isOperators: isOperators)
        try update(row)
    }

    func insertSecret(
        _ secret: SecretBytes, of client: OwnerID, generation: Int64
    ) throws -> ClientSecretInfo {
        let tags = try keyring.issuerTags.current
        let row = ClientSecretInfo(
            id: next(\.nextSecretID), client: client, generation: generation,
            tag: tags.tag(.clientSecret, of: secret), tagKeyID: Int64(tags.id),
            notBefore: now, notAfter: nil)
        try insert(row)
        return row
    }
}

extension Database {
    fileprivate func clientID(nameTags: [[UInt8]]) throws -> OwnerID? {
        try nameTags.firstValue { tag in
            try firstRow("SELECT id FROM clients WHERE name_tag = ?", [.blob(tag)]) { OwnerID($0.integer(0)) }
        }
    }
}

/// What a `client_id` may look like: RFC 6749 appendix A.1 allows VSCHAR; ours need no escaping anywhere.
enum ClientIDRules {
    /// 128 random bits, less what would be taken for an option or a mark of emphasis where it begins.
    static func random() -> String {
        while true {
            let clientID = Base64URL.encodeToString(SystemRandom().bytes(16))
            if ["-", "_", SubjectIdentifier.prefix].allSatisfy({ !clientID.hasPrefix($0) }) {
                return clientID
            }
        }
    }

    static func check(_ clientID: String) throws {
        let isPlain = clientID.utf8.allSatisfy { FormCoding.isUnreserved($0) && $0 != UInt8(ascii: "~") }
        guard isPlain, (1...128).contains(clientID.utf8.count) else {
            throw invalid("A client identifier has 1 to 128 letters, digits, '-', '_' or '.'.")
        }
        guard !clientID.hasPrefix("-") else {
            throw invalid(
                "A client identifier does not begin with '-': commands would take it for an option.")
        }
        // RFC 9700 section 4.15: a client must not be able to pass for a user by the choice of its identifier.
        guard !clientID.hasPrefix(SubjectIdentifier.prefix) else {
            throw invalid("A client identifier does not begin with 'u_': subjects of users do.")
        }
    }
}

extension VaultClients {
    /// Changes the registration of a client; its name and `client_id` stay. One that begins to authenticate
    /// with a secret gets one; the secrets of one that ceases to are deleted. Grants that exist keep the
    /// scope they have.
    ///
    /// - Parameter change: gets the registration as it is at that moment.
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/invalidInput``.
    public func change(
        _ name: String, _ change: @escaping @Sendable (inout ClientRegistration) -> Void
    ) async throws -> NewClient {
        let id = try await find(name).id
        return try await vault.write { transaction in
            guard let client = try transaction.client(id), client.state != .removed else {
                throw Vault.noClient
            }
            var registration = client.registration
            change(&registration)
            guard registration.name == client.registration.name else {
                throw invalid("A client keeps its name.")
            }
            registration = try registration.checked()
            try transaction.register(registration, of: id, isOperators: true)
            var secret: SecretBytes?
            if !registration.usesSecret {
                for old in client.secrets { try transaction.delete(.clientSecrets, id: old.id) }
            } else if client.secrets.isEmpty {
                let new = ClientSecret.generate()
                _ = try transaction.insertSecret(new, of: id, generation: 1)
                secret = new
            }
            let event = AuditEvent(
                .clientChange, by: vault.operatorActor, reason: "registration", subject: client.pseudonym)
            guard let changed = try transaction.client(id) else { throw Vault.noClient }
            return Audited(NewClient(client: changed, secret: secret), event)
        }
    }
}
