import Foundation
public import VaultCore
package import VaultCrypto
import VaultStore

/// What is sealed in the column `details`.
package struct ConnectionDetails: Codable, Sendable, Equatable {
    package var label: String
    package var metadata: [String: String]
    package var refusal: ConnectionRefusal?
    /// Nil for false: most rows have no use for it.
    private var consentReply: Bool?

    package init(label: String) {
        self.label = label
        metadata = [:]
    }

    /// The reply that is kept answers a consent, not a refresh: its tokens are of another grant than those in use.
    package var isConsentReplyKept: Bool {
        get { consentReply ?? false }
        set { consentReply = newValue ? true : nil }
    }
}

/// Whom a provider says a connection is of: what is sealed in the column `subject`.
package struct ConnectionSubject: Codable, Sendable, Equatable {
    /// The provider's own name for the account, which never changes (`sub`).
    package var subject: String
    /// How a person knows it, as an address.
    var account: String?

    package init(subject: String, account: String? = nil) {
        (self.subject, self.account) = (subject, account)
    }
}

/// What a provider says when it refuses to refresh a connection, and since when it has been saying so. Kept
/// in the connection's sealed details until the connection has tokens again.
public struct ConnectionRefusal: Codable, Sendable, Equatable {
    /// The last error code in the spelling of the log: `invalid-request`.
    public package(set) var reason: String
    /// Status, code and description of the last refusal: at most 200 characters, secrets taken out. Empty
    /// where there was no room for them.
    public package(set) var words: String
    public package(set) var since: VaultInstant
    /// Refusals in a row; tries without an answer are not counted and do not end the row.
    public package(set) var count: Int64
    /// Revision of the provider that refused.
    package var revision: Int64
    /// At this revision the connection has been a reason to doubt our client: it is not one a second time.
    package var isWitness = false

    package init(
        reason: String, words: String, since: VaultInstant, count: Int64, revision: Int64,
        isWitness: Bool = false
    ) {
        (self.reason, self.words, self.since, self.count, self.revision, self.isWitness) = (
            reason, words, since, count, revision, isWitness
        )
    }

    private enum CodingKeys: String, CodingKey {
        case reason, words, since, count, revision
        case isWitness = "witness"
    }
}

extension ConnectionRow {
    package func subject(_ owner: Owner, _ keyring: Keyring) throws -> ConnectionSubject? {
        guard let subject else { return nil }
        let bytes = try SealedField.open(
            subject, with: owner.key(.keeper), for: context(keyring, Self.subjectColumn, generation: 0))
        return try JSONDecoder().decode(ConnectionSubject.self, from: Data(bytes))
    }

    package func details(_ owner: Owner, _ keyring: Keyring) throws -> ConnectionDetails {
        let bytes = try SealedField.open(
            details, with: owner.key(.keeper), for: context(keyring, Self.detailsColumn, generation: 0))
        return try JSONDecoder().decode(ConnectionDetails.self, from: Data(bytes))
    }

    package mutating func forgetTokens() {
        pair = nil
        reply = nil
        attempt = nil
        failures = 0
    }

    package func context(_ keyring: Keyring, _ column: UInt16, generation: Int64) -> AssociatedData {
        keyring.context(
            owner: owner, table: TableLayout.connections.number, column: column, row: id,
            generation: UInt64(clamping: generation))
    }
}

extension Keyring {
    /// Every tag under which the one connection of these may be found, the current one first.
    package func connectionTags(_ provider: ProviderID, _ owner: OwnerID, _ label: String) -> [[UInt8]] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: provider.rawValue)
        bytes.append(bigEndian: owner.rawValue)
        bytes += label.utf8
        return lookup.tags(.connection, of: bytes)
    }

    /// Finds the connections of one account at a provider.
    package func subjectTag(_ provider: ProviderID, _ subject: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: provider.rawValue)
        bytes += subject.utf8
        return lookup.tag(.connectionSubject, of: bytes)
    }
}

extension Vault {
    package static let noConnection = VaultError(
        .notFound, "There is no such connection.", remedy: "List the connections.")
    /// In the leaf about a connection whose user was removed.
    package static let userRemoved = "user-removed"

    /// Ends the connections of a user who was removed, a few at a time; a service revokes them at their providers.
    package func endConnections(of owner: OwnerID) async throws {
        try await writeEach(
            ConnectionRow.self, where: "owner_id = ? AND state IN (1, 2, 5)", [.integer(owner.rawValue)]
        ) { [operatorActor] row, transaction in
            var row = row
            row.state = .revoking
            row.dueAt = transaction.now
            try transaction.update(row)
            transaction.log(
                AuditEvent(
                    .connectionRevoke, row, by: operatorActor, reason: Vault.userRemoved,
                    of: try transaction.owner(owner)))
        }
    }
}

extension WriteTransaction {
    package func connection(_ id: ConnectionID) throws -> ConnectionRow {
        guard let row = try load(ConnectionRow.self, id.rawValue)?.row else { throw Vault.noConnection }
        return row
    }
}

extension AuditEvent {
    /// About a connection, which shares the numbers of grants and so their place in the leaf.
    ///
    /// - Parameter owner: of the connection, who is the subject where that is a user.
    package init(
        _ operation: AuditOperation, _ row: ConnectionRow, _ outcome: AuditOutcome = .succeeded,
        by actor: AuditActor, reason: String? = nil, of owner: Owner? = nil
    ) {
        self.init(
            operation, outcome, by: actor, reason: reason,
            subject: row.owner == .system ? nil : owner?.pseudonym, grant: GrantID(row.id),
            generation: UInt32(clamping: row.generation))
    }
}

extension ProviderRow {
    /// Why our client at the provider is in doubt, or refused.
    package static let doubtMember = "doubt"

    /// Puts a member into the definition, or takes it out; changes nothing in a definition of another version.
    package mutating func setMember(_ name: String, to value: Any?) throws {
        guard var members = try? JSONSerialization.jsonObject(with: Data(definition.utf8)) as? [String: Any],
            value != nil || members[name] != nil
        else { return }
        members[name] = value
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        definition = String(
            decoding: try JSONSerialization.data(withJSONObject: members, options: options), as: UTF8.self)
    }
}
