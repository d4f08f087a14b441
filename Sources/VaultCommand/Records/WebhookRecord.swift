import TokenKeeper
import VaultCore

/// A webhook as printed: `{"created_at":"…","failures":0,"url":"https://app.example/hooks"}`; `retry_at` while it does not
/// take what it is told, `secret` once.
struct WebhookRecord: Record, ListRecord {
    let url: String
    let createdAt: Timestamp
    /// Times in a row that it did not take an event.
    let failures: Int64
    let retryAt: Timestamp?
    let secret: String?

    init(_ webhook: Webhook, secret: SecretBytes? = nil) {
        url = webhook.url
        createdAt = Timestamp(webhook.createdAt)
        failures = webhook.failures
        retryAt = webhook.retryAt.map(Timestamp.init)
        self.secret = secret?.shown
    }

    static let header = ["URL", "FAILURES", "RETRY", "CREATED"]
    var cells: [String] { [url, "\(failures)", retryAt?.description ?? "-", createdAt.description] }
    var lines: [String] {
        let secret = secret.map { [("secret", $0)] } ?? []
        return Table.pairs([("url", url), ("created_at", createdAt.description)] + secret)
    }
}
