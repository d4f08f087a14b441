public import TokenVault
public import VaultCore
import VaultCrypto

/// What a webhook said to a message.
public enum WebhookAnswer: Sendable, Equatable {
    case accepted
    /// Redirects are not followed.
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
    /// Tells `url` of everything from now on, signed as Standard Webhooks has it. At least once and in order:
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

    /// In the order in which they were added.
    public func webhooks() throws -> [Webhook] { try vault.webhooks() }

    /// - Throws: ``VaultError/Code/notFound``.
    public func removeWebhook(_ url: String) async throws { try await vault.removeWebhook(url) }

    /// Sends a webhook a message of type `webhook.test` under an id of its own, once; its cursor stays where it is.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func testWebhook(_ url: String) async throws -> WebhookAnswer {
        guard let webhook = try vault.webhooks().first(where: { $0.url == url }) else {
            throw VaultError(
                .notFound, "There is no such webhook.", remedy: "See 'tokenvault webhook list'.")
        }
        return await tell(webhook, try WebhookMessage.test(in: vault.id, at: clock.now()))
    }

    /// Sends once.
    func tell(_ webhook: Webhook, _ message: WebhookMessage) async -> WebhookAnswer {
        do throws(TransportFailure) {
            let reply = try await transport.send(message.request(to: webhook, at: clock.now()))
            guard !(200...299).contains(reply.status) else { return .accepted }
            let seconds = reply.headers["retry-after"].flatMap { $0.utf8.count <= 9 ? Int64($0) : nil }
            let asked = seconds.map { min(Duration.seconds(max($0, 0)), WebhookAnswer.longestRetryAfter) }
            return .refused(status: reply.status, retryAfter: asked)
        } catch {
            return .noAnswer(error.cause)
        }
    }
}
