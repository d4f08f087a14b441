import Foundation
import TokenVault
import VaultCore
import VaultCrypto

/// What a webhook is sent, in the form of Standard Webhooks 1.0 (https://www.standardwebhooks.com).
///
/// ```
/// webhook-id:        msg_<vault>_<index of the log's entry>     the same whenever the same event is told
/// webhook-timestamp: 1790000000                                 of this attempt
/// webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">
///
/// {"data":{"connection":12,"generation":3,"provider":"quantimodo","reason":"invalid-grant"},
///  "timestamp":"2026-09-21T14:13:20.000Z","type":"connection.needs_consent"}
/// ```
///
/// Neither a token nor the name of a user is in it.
struct WebhookMessage: Sendable {
    private let id: String
    private let body: [UInt8]

    init(_ event: KeeperEvent, in vault: VaultID) throws {
        let content = Content(
            type: event.kind.rawValue, timestamp: Self.text(event.time),
            data: Content.Subject(
                connection: event.connection?.rawValue, provider: event.providerName,
                generation: event.generation, reason: event.reason))
        try self.init(id: "msg_\(vault)_\(event.id)", content)
    }

    /// One that says nothing but that it works.
    static func test(in vault: VaultID, at now: VaultInstant) throws -> WebhookMessage {
        try WebhookMessage(
            id: "msg_\(vault)_test_\(Hex.encode(SystemRandom().bytes(8)))",
            Content(type: "webhook.test", timestamp: Self.text(now), data: Content.Subject()))
    }

    private init(id: String, _ content: Content) throws {
        self.id = id
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        body = Array(try encoder.encode(content))
    }

    private struct Content: Encodable {
        struct Subject: Encodable {
            var connection: Int64?
            var provider: String?
            var generation: Int64?
            var reason: String?
        }

        let type: String
        let timestamp: String
        let data: Subject
    }

    private static func text(_ instant: VaultInstant) -> String {
        Date(timeIntervalSince1970: Double(instant.millisecondsSince1970) / 1000)
            .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    func request(to webhook: Webhook, at now: VaultInstant) -> ProviderRequest {
        let timestamp = String(now.millisecondsSince1970 / 1000)
        let code = SHA256.hmac(of: [Array("\(id).\(timestamp).".utf8), body], key: webhook.secret)
        let headers = [
            ("content-type", "application/json"), ("webhook-id", id), ("webhook-timestamp", timestamp),
            ("webhook-signature", "v1," + Base64.encode(code)),
        ]
        return ProviderRequest(
            .webhook, .post, webhook.url,
            headers: headers.map { (name: $0, value: SecretBytes(copying: $1)) }, body: SecretBytes(body),
            timeout: Self.timeout)
    }

    /// Whoever has more to do than to note the event does it afterwards.
    private static let timeout = Duration.seconds(15)
}
