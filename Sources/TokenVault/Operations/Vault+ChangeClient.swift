import VaultCore
import VaultCrypto

extension Vault {
    /// Changes what is registered of a client; its name and `client_id` stay. One that begins to authenticate
    /// with a secret gets one; the secrets of one that ceases to are deleted. Grants that exist keep the
    /// scope they have.
    ///
    /// - Parameter change: gets the registration as it is at that moment.
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/invalidInput``.
    public func changeClient(
        _ name: String, _ change: @escaping @Sendable (inout ClientRegistration) -> Void
    ) async throws -> NewClient {
        let id = try client(name).id
        return try await write { [operatorActor] transaction in
            guard let client = try transaction.client(id), client.state != .removed,
                var row = try transaction.load(ClientRow.self, id.rawValue)?.row
            else { throw Self.noClient }
            var registration = client.registration
            change(&registration)
            guard registration.name == client.registration.name else {
                throw invalid("A client keeps its name.")
            }
            registration = try registration.checked()
            row.registration = try StoredRegistration(registration).encoded()
            try transaction.update(row)
            var secret: SecretBytes?
            if !registration.usesSecret {
                for old in client.secretRows { try transaction.delete(.clientSecrets, id: old.id) }
            } else if client.secretRows.isEmpty {
                let new = ClientSecret.generate()
                _ = try transaction.insertSecret(new, of: id, generation: 1)
                secret = new
            }
            transaction.touchRegistry()
            var event = AuditEvent(.clientChange, by: operatorActor)
            event.reason = "registration"
            event.subject = client.pseudonym
            guard let changed = try transaction.client(id) else { throw Self.noClient }
            return Audited(NewClient(client: changed, secret: secret), event)
        }
    }
}
