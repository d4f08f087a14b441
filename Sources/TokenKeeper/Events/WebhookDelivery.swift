import Logging
import ServiceLifecycle
import Synchronization
import TokenVault
import VaultCore

/// Tells webhooks what happens, each in the order in which it happened, from the entry its cursor names.
///
/// The cursor moves after an answer of 2xx, so each webhook is told everything at least once: again, under the same id,
/// after a crash, after an answer that was lost, and where two processes deliver at the same time. A webhook that does
/// not take an event is asked again, ever more slowly (``Backoff``), and waits for nobody but itself.
struct WebhookDelivery: Sendable {
    let keeper: TokenKeeper
    /// Between two looks at the log.
    let interval: Duration

    /// Until the task is cancelled or the service shuts down; what is being told then is told to its end.
    func run() async {
        let busy = BusyWebhooks()
        await withDiscardingTaskGroup { group in
            while !Self.isOver {
                for id in due() where busy.begin(id) {
                    group.addTask {
                        await deliver(to: id)
                        busy.end(id)
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

    private func due() -> [Int64] {
        do { return try keeper.vault.webhooks().filter { $0.isDue(at: keeper.clock.now()) }.map(\.id) } catch
        {
            keeper.logger.warning(
                "The webhooks could not be read; it is tried again.", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// Tells one webhook all there is, unless it stops listening.
    private func deliver(to id: Int64) async {
        do {
            // Read anew for each page: where its cursor is by now, and whether it is there at all.
            while let webhook = try keeper.vault.webhooks().first(where: { $0.id == id }),
                webhook.isDue(at: keeper.clock.now()), try await deliverPage(to: webhook)
            {}
        } catch {
            // It may have been told something that could not be noted: not once more every second.
            keeper.logger.warning(
                "A webhook's turn failed; it is tried again.",
                metadata: ["webhook": "\(id)", "error": "\(error)"])
            await pause(.seconds(30))
        }
    }

    /// - Returns: whether there is more to tell now.
    private func deliverPage(to webhook: Webhook) async throws -> Bool {
        let page = try keeper.eventPage(from: webhook.position)
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

/// Webhooks that are being told something by this process.
private final class BusyWebhooks: Sendable {
    private let known = Mutex<Set<Int64>>([])

    func begin(_ id: Int64) -> Bool { known.withLock { $0.insert(id).inserted } }
    func end(_ id: Int64) { known.withLock { _ = $0.remove(id) } }
}

extension Webhook {
    /// Nobody is left alone for longer than that, unless the clock was set back.
    fileprivate func isDue(at now: VaultInstant) -> Bool {
        dueAt <= now || dueAt.elapsed(since: now) > WebhookAnswer.longestRetryAfter
    }
}
