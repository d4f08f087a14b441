import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// A URL to which events of connections are posted, while a service of the keeper runs.
public struct Webhook: Sendable {
    public let id: Int64
    public let url: String
    /// Signs the messages.
    package let secret: SecretBytes
    public let createdAt: VaultInstant
    /// The index of the next entry of the log to read for it.
    public let position: Int64
    /// The number of failed deliveries in a row.
    public let failures: Int64
    /// The time of the next attempt; long ago if the last one succeeded.
    package let dueAt: VaultInstant

    /// The time of the next attempt; nil if the last one succeeded.
    public var retryAt: VaultInstant? { failures > 0 ? dueAt : nil }
}

extension Vault {
    /// Registers a webhook for all events from now on.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/denied``.
    package func addWebhook(_ url: String, secret: SecretBytes) async throws -> Webhook {
        guard url.utf8.count <= Limits.redirectURIBytes else { throw invalid("The URL is too long.") }
        return try await write { [operatorActor] transaction in
            let keyring = transaction.keyring
            let systemKey = try transaction.systemKey(.keeper)
            let known = try transaction.query(WebhookRow.self)
            guard !known.contains(where: { $0.url == url }) else {
                throw VaultError(.alreadyExists, "This webhook already exists.")
            }
            guard known.count < Limits.webhooks else {
                throw VaultError(.denied, "A vault has at most \(Limits.webhooks) webhooks.")
            }
            let id = transaction.next(\.nextGrantID)
            let sealed = try secret.withExposed {
                try SealedField.seal(
                    $0, under: systemKey, for: keyring.context(.webhooks, "secret", row: id), padded: true)
            }
            let row = WebhookRow(id: id, url: url, secret: sealed, createdAt: transaction.now)
            try transaction.insert(row)
            transaction.put(
                RowWrite(
                    "INSERT INTO webhook_cursors (id, position, failures, retry_at) VALUES (?, ?, 0, 0)",
                    [.integer(id), .integer(transaction.leaf + 1)]))
            return Audited(
                Webhook(
                    id: id, url: url, secret: secret, createdAt: transaction.now,
                    position: transaction.leaf + 1, failures: 0,
                    dueAt: VaultInstant(millisecondsSince1970: 0)),
                AuditEvent(.webhookAdd, by: operatorActor, grant: GrantID(id)))
        }
    }

    /// - Throws: ``VaultError/Code/notFound``.
    package func removeWebhook(_ url: String) async throws {
        try await write(.finishing) { [operatorActor] transaction in
            guard
                let row = try transaction.query(WebhookRow.self).first(where: { $0.url == url })
            else {
                throw VaultError(
                    .notFound, "There is no such webhook.", remedy: "List the webhooks.")
            }
            try transaction.delete(.webhooks, id: row.id)
            return Audited((), AuditEvent(.webhookRemove, by: operatorActor, grant: GrantID(row.id)))
        }
    }

    package func webhooks() async throws -> [Webhook] {
        try await snapshot { database, keys in
            let keyring = keys.keyring
            let systemKey = try keys.system.key(.keeper)
            return try database.loadAll(WebhookRow.self, where: "true ORDER BY id", [], keyring).map { row in
                let cursor = try database.firstRow(
                    "SELECT position, failures, retry_at FROM webhook_cursors WHERE id = ?",
                    [.integer(row.id)]
                ) { ($0.integer(0), $0.integer(1), $0.integer(2)) }
                return Webhook(
                    id: row.id, url: row.url,
                    secret: SecretBytes(
                        try SealedField.open(
                            row.secret, with: systemKey,
                            for: keyring.context(.webhooks, "secret", row: row.id))),
                    createdAt: row.createdAt, position: cursor?.0 ?? 0, failures: cursor?.1 ?? 0,
                    dueAt: VaultInstant(millisecondsSince1970: cursor?.2 ?? 0))
            }
        }
    }

    /// Notes how far a webhook was told; without a leaf: at worst it is told something twice. It never moves
    /// back, so that the slower of two processes tells less twice.
    package func moveWebhook(
        _ id: Int64, to position: Int64, failures: Int64 = 0,
        retryAt: VaultInstant = VaultInstant(millisecondsSince1970: 0)
    ) async throws {
        try await housekeep { transaction in
            transaction.put(
                RowWrite(
                    """
                    UPDATE webhook_cursors SET failures = ?, retry_at = ?,
                    position = CASE WHEN position < ? THEN ? ELSE position END WHERE id = ?
                    """,
                    [
                        .integer(failures), SQLValue(retryAt), .integer(position), .integer(position),
                        .integer(id),
                    ]))
        }
    }
}
