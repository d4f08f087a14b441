import Foundation
import Synchronization
import TokenKeeper
import TokenVaultTesting
import VaultCore

/// What came to a webhook.
struct ReceivedMessage: Sendable {
    let url: String
    let headers: [String: String]
    let body: String

    var id: String { headers["webhook-id"] ?? "" }

    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]) ?? [:]
    }

    var type: String { json["type"] as? String ?? "" }
    var data: [String: Any] { json["data"] as? [String: Any] ?? [:] }

    /// For the independent reader.
    var fields: [String: String] {
        [
            "id": id, "timestamp": headers["webhook-timestamp"] ?? "",
            "signature": headers["webhook-signature"] ?? "", "body": body,
        ]
    }
}

/// Webhooks in process beside a scripted provider: what is for a webhook comes here, the rest goes there.
final class WebhookReceiver: ProviderTransport {
    typealias Answer = @Sendable (ReceivedMessage) async -> Result<Int, TransportFailure>

    private let inner: ScriptedTransport
    private let clock: KeeperClock
    private let answer: Answer
    private let messages = Mutex<[ReceivedMessage]>([])

    init(_ bench: KeeperBench, _ answer: @escaping Answer = { _ in .success(204) }) {
        inner = ScriptedTransport(bench.server)
        clock = bench.clock
        self.answer = answer
    }

    var received: [ReceivedMessage] { messages.withLock { $0 } }

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        guard request.purpose == .webhook else { return try await inner.send(request) }
        let headers = request.headers.map { header in
            (header.name, header.value.withExposed { String(decoding: $0, as: UTF8.self) })
        }
        let message = ReceivedMessage(
            url: request.url, headers: Dictionary(headers) { first, _ in first },
            body: request.body?.withExposed { String(decoding: $0, as: UTF8.self) } ?? "")
        messages.withLock { $0.append(message) }
        return ProviderReply(status: try await answer(message).get(), body: SecretBytes([]))
    }

    /// Runs the service of a keeper until the condition holds.
    ///
    /// - Parameter passes: at each look whether it does.
    func serve(
        _ keeper: TokenKeeper, _ passes: Duration = .zero,
        until condition: @escaping @Sendable ([ReceivedMessage]) async throws -> Bool
    ) async throws {
        var configuration = KeeperServiceConfiguration()
        configuration.interval = .milliseconds(1)
        let service = KeeperService(keeper, configuration: configuration)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            while try await !condition(received) {
                clock.advance(passes)
                await Task.yield()
            }
            group.cancelAll()
        }
    }
}

extension KeeperBench {
    func keeper(_ receiver: any ProviderTransport, _ change: (inout KeeperConfiguration) -> Void = { _ in })
        -> TokenKeeper
    {
        var configuration = KeeperConfiguration()
        configuration.pause = { [clock] in clock.advance($0) }
        change(&configuration)
        return TokenKeeper(vault: vault, transport: receiver, configuration: configuration)
    }
}

/// Opens once, for all who wait.
final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
