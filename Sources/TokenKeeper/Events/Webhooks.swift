import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import TokenVault
public import VaultCore
import VaultCrypto

/// The answer of a webhook.
public enum WebhookAnswer: Sendable, Equatable {
    case accepted
    /// The webhook answered with another status than 2xx; redirects are not followed.
    case refused(status: Int, retryAfter: Duration?)
    case noAnswer(TransportFailure.Cause)

    /// As much of a `Retry-After` as is honoured.
    static let longestRetryAfter = Duration.seconds(3600)

    var isAccepted: Bool { self == .accepted }

    var retryAfter: Duration? {
        if case .refused(_, let retryAfter) = self { retryAfter } else { nil }
    }
}

extension WebhookAnswer: CustomStringConvertible {
    public var description: String {
        switch self {
        case .accepted: "accepted"
        case .refused(let status, _): "status \(status)"
        case .noAnswer(let cause): "no answer: \(cause.rawValue)"
        }
    }
}

extension TokenKeeper {
    /// Posts all events from now on to `url`, signed as Standard Webhooks asks. At least once and in order:
    /// a message comes again under the same `webhook-id` after a crash, after an answer that was lost, and
    /// where several processes run a ``KeeperService`` on the vault. Receivers drop ids they know.
    ///
    /// - Parameter url: https, or http to this machine.
    /// - Returns: with the secret its receiver verifies with, `whsec_` and base64: it is shown this once.
    /// - Throws: ``VaultError/Code/invalidInput``, ``VaultError/Code/alreadyExists``, ``VaultError/Code/denied``.
    public func addWebhook(_ url: String) async throws -> (webhook: Webhook, secret: SecretBytes) {
        if let fault = EndpointURL.fault(of: url) {
            throw VaultError(
                .invalidInput, "The URL \(fault).", remedy: "Give an address like https://app.example/hooks.")
        }
        let key = SystemRandom().bytes(32)
        let stored = try await vault.addWebhook(url, secret: SecretBytes(key))
        return (stored, SecretBytes(copying: "whsec_" + Base64.encode(key)))
    }

    /// Lists the webhooks in the order in which they were added.
    public func webhooks() async throws -> [Webhook] { try await vault.webhooks() }

    /// - Throws: ``VaultError/Code/notFound``.
    public func removeWebhook(_ url: String) async throws { try await vault.removeWebhook(url) }

    /// Sends a webhook a message of type `webhook.test` under an id of its own, once; its cursor stays where it is.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func testWebhook(_ url: String) async throws -> WebhookAnswer {
        guard let webhook = try await vault.webhooks().first(where: { $0.url == url }) else {
            throw VaultError(
                .notFound, "There is no such webhook.", remedy: "List the webhooks.")
        }
        return await tell(webhook, try WebhookMessage.test(in: vault.id, at: clock.now()))
    }

    /// Sends once.
    func tell(_ webhook: Webhook, _ message: WebhookMessage) async -> WebhookAnswer {
        do throws(TransportFailure) {
            let reply = try await transport.send(message.request(to: webhook, at: clock.now()))
            guard !(200...299).contains(reply.status) else { return .accepted }
            let asked = RetryAfter.read(reply, at: clock.now()).map {
                min($0, WebhookAnswer.longestRetryAfter)
            }
            return .refused(status: reply.status, retryAfter: asked)
        } catch {
            return .noAnswer(error.cause)
        }
    }
}

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
            type: event.kind.rawValue, timestamp: event.time.rfc3339,
            data: Content.Subject(
                connection: event.connection?.rawValue, provider: event.providerName,
                generation: event.generation, reason: event.reason))
        try self.init(id: "msg_\(vault)_\(event.id)", content)
    }

    /// One that says nothing but that it works.
    static func test(in vault: VaultID, at now: VaultInstant) throws -> WebhookMessage {
        try WebhookMessage(
            id: "msg_\(vault)_test_\(Hex.encode(SystemRandom().bytes(8)))",
            Content(type: "webhook.test", timestamp: now.rfc3339, data: Content.Subject()))
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

    /// Anyone who has more to do than to note the event does it afterwards.
    private static let timeout = Duration.seconds(15)
}

/// Tells webhooks what happens, each in the order in which it happened, from the entry its cursor names.
///
/// The cursor moves after an answer of 2xx, so each webhook is told everything at least once: again, under the same id,
/// after a crash, after an answer that was lost, and where two processes deliver at the same time. A webhook that does
/// not take an event is asked again, ever more slowly (``Backoff``), and delays only itself.
struct WebhookDelivery: Sendable {
    let keeper: TokenKeeper
    /// Between two looks at the log.
    let interval: Duration

    /// Until the task is cancelled or the service shuts down; what is being told then is told to its end.
    func run() async {
        await withDiscardingTaskGroup { group in
            while !Self.isOver {
                for id in await due() where keeper.busyWebhooks.withLock({ $0.insert(id).inserted }) {
                    group.addTask {
                        await deliver(to: id)
                        keeper.busyWebhooks.withLock { _ = $0.remove(id) }
                    }
                }
                await pause(interval)
            }
        }
    }

    private static var isOver: Bool { Task.isCancelled || Task.isShuttingDownGracefully }

    private func pause(_ span: Duration) async {
        try? await cancelWhenGracefulShutdown { try await Task.sleep(for: span) }
    }

    private func due() async -> [Int64] {
        do {
            return try await keeper.vault.webhooks().filter { $0.isDue(at: keeper.clock.now()) }.map(\.id)
        } catch {
            keeper.logger.warning(
                "The webhooks could not be read; this is retried.", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// Tells one webhook all there is, unless it stops listening.
    private func deliver(to id: Int64) async {
        do {
            // Read again for each page: where its cursor is by now, and whether it is there at all.
            while let webhook = try await keeper.vault.webhooks().first(where: { $0.id == id }),
                webhook.isDue(at: keeper.clock.now()), try await deliverPage(to: webhook)
            {}
        } catch {
            // It may have been told something that could not be noted: not once more every second.
            keeper.logger.warning(
                "A webhook's turn failed; this is retried.",
                metadata: ["webhook": "\(id)", "error": "\(error)"])
            await pause(.seconds(30))
        }
    }

    /// - Returns: whether there is more to tell now.
    private func deliverPage(to webhook: Webhook) async throws -> Bool {
        let page = try await keeper.eventPage(from: webhook.position)
        for event in page.events {
            if Self.isOver { return false }
            let answer = await keeper.tell(webhook, try WebhookMessage(event, in: keeper.vault.id))
            keeper.metrics.toldWebhook(isDelivered: answer.isAccepted)
            guard answer.isAccepted else {
                try await postpone(webhook, event, answer)
                return false
            }
            try await keeper.vault.moveWebhook(webhook.id, to: event.id + 1)
        }
        // What is no event is passed over again after a crash; a write for each look at it would be worse.
        if page.next - webhook.position >= Limits.followedLeaves / 2 {
            try await keeper.vault.moveWebhook(webhook.id, to: page.next)
        }
        return !page.isEnd
    }

    private func postpone(
        _ webhook: Webhook, _ event: KeeperEvent, _ answer: WebhookAnswer
    ) async throws {
        // An event further on than the one that failed last: its first failure.
        let failures = event.id > webhook.position ? 0 : webhook.failures
        let retryAt = keeper.clock.now().advanced(
            by: Backoff.delay(
                afterFailures: failures, spread: UInt64(bitPattern: webhook.id), asked: answer.retryAfter))
        keeper.logger.info(
            "A webhook did not take an event.",
            metadata: [
                "webhook": "\(webhook.id)", "event": "\(event.id)", "answer": "\(answer)",
                "failures": "\(failures + 1)",
            ])
        try await keeper.vault.moveWebhook(
            webhook.id, to: event.id, failures: failures + 1, retryAt: retryAt)
    }
}

extension Webhook {
    /// No webhook waits longer than that, unless the clock was set back.
    fileprivate func isDue(at now: VaultInstant) -> Bool {
        dueAt <= now || dueAt.elapsed(since: now) > WebhookAnswer.longestRetryAfter
    }
}
