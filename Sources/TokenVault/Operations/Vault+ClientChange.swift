import Foundation
import GRDB
public import VaultCore
import VaultCrypto

extension Vault {
    /// Replaces what is registered of a client; its identifier and its secrets stay.
    ///
    /// Grants that exist keep the scope they were given. A client that now authenticates with a secret and has none that
    /// is accepted gets one.
    ///
    /// - Parameter name: its `client_id` or name.
    /// - Throws: ``VaultError/Code/invalidInput``, ``VaultError/Code/notFound``, ``VaultError/Code/alreadyExists`` (the
    ///   new name).
    public func changeClient(_ name: String, to registration: ClientRegistration) async throws -> NewClient {
        try registration.check()
        let known = try client(name)
        let nameTag = keyring.lookup.tag(.clientName, of: Array(registration.name.utf8))
        let stored = try StoredRegistration(registration).encoded()
        let identity = Array(
            try JSONEncoder().encode(ClientIdentity(clientID: known.clientID, name: registration.name)))
        let secret = ClientSecret.generate()
        return try await write { [operatorActor] transaction in
            guard let client = try transaction.client(known.id), client.state != .removed,
                var owner = try transaction.load(OwnerRow.self, known.id.rawValue)?.row,
                var row = try transaction.load(ClientRow.self, known.id.rawValue)?.row
            else { throw Self.noClient }
            let holder = try transaction.database.clientID(nameTag: nameTag)
            guard holder == nil || holder == known.id else {
                throw VaultError(
                    .alreadyExists, "There is a client of that name.",
                    remedy: "See 'tokenvault client list'.")
            }
            owner.identity = try transaction.seal(
                identity, owner: known.id, table: SealedTable.owners,
                column: OwnerRow.columnNumber("identity"), row: known.id.rawValue)
            row.nameTag = nameTag
            row.registration = stored
            try transaction.update(owner)
            try transaction.update(row)
            let isAccepted = client.secretRows.contains { secret in
                secret.notAfter.map { transaction.now < $0 } ?? true
            }
            let needsSecret = registration.usesSecret && !isAccepted
            if needsSecret {
                _ = try transaction.insertSecret(
                    secret, of: known.id, generation: (client.secretRows.last?.generation ?? 0) + 1)
            }
            transaction.touchRegistry()
            var event = AuditEvent(.clientChange, by: operatorActor)
            event.reason = "registration"
            event.subject = client.pseudonym
            guard let changed = try transaction.client(known.id) else { throw Self.noClient }
            return Audited(NewClient(client: changed, secret: needsSecret ? secret : nil), event)
        }
    }
}
