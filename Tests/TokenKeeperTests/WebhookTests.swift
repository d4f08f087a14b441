import Foundation
import Synchronization
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

private let hook = "https://app.example/hooks?of=tokenvault"
private let other = "http://127.0.0.1:9/hooks"

@Suite(.bounded) struct `A webhook is told everything, signed, in order` {
    @Test func `another implementation of Standard Webhooks verifies what comes`() async throws {
        let bench = try await KeeperBench()
        let receiver = WebhookReceiver(bench)
        let keeper = bench.keeper(receiver)
        let before = try await bench.history().count
        let (webhook, secret) = try await keeper.addWebhook(hook)
        #expect(webhook.failures == 0 && webhook.retryAt == nil)
        let connection = try await bench.consent()
        _ = try await bench.keeper.refresh(connection.id)
        bench.server.failNext(.echo("invalid_grant"))
        _ = try await bench.keeper.refresh(connection.id)
        try await receiver.serve(keeper) { $0.count == 3 }
        #expect(try await keeper.testWebhook(hook) == .accepted)

        let events = try await bench.history().dropFirst(before)
        let told = receiver.received
        #expect(told.map(\.type) == events.map(\.kind.rawValue) + ["webhook.test"])
        #expect(told.dropLast().map(\.id) == events.map { "msg_\(bench.vault.id)_\($0.id)" })
        #expect(told.allSatisfy { $0.url == hook && $0.headers["content-type"] == "application/json" })
        #expect(told[2].data["reason"] as? String == "invalid-grant")
        #expect(told[2].data["connection"] as? Int == Int(connection.id.rawValue))
        #expect(told[2].data["provider"] as? String == "standard")
        #expect(try verdicts(told, secret) == [true, true, true, true])
        // The reader does tell right from wrong.
        #expect(
            try verdicts(
                told, SecretBytes(copying: "whsec_" + Base64.encode([UInt8](repeating: 7, count: 32)))) == [
                    false, false, false, false,
                ])
    }

    private func verdicts(_ messages: [ReceivedMessage], _ secret: SecretBytes) throws -> [Bool] {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Interop/verify_webhook.py").path()
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-B", path]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let request: [String: Any] = [
            "secret": secret.withExposed { String(decoding: $0, as: UTF8.self) },
            "messages": messages.map(\.fields),
        ]
        try input.fileHandleForWriting.write(contentsOf: JSONSerialization.data(withJSONObject: request))
        try input.fileHandleForWriting.close()
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return try JSONDecoder().decode([Bool].self, from: answer)
    }

    @Test func `an event that was not taken comes again under its id, and before the next`() async throws {
        let bench = try await KeeperBench()
        let failures = Mutex<[Result<Int, TransportFailure>]>([
            .success(500), .failure(.ambiguous(.timeout)), .failure(.ambiguous(.reset)), .success(302),
            .failure(.notSent(.connect)), .success(200), .success(429),
        ])
        let receiver = WebhookReceiver(bench) { _ in
            failures.withLock { $0.isEmpty ? .success(200) : $0.removeFirst() }
        }
        let keeper = bench.keeper(receiver)
        _ = try await keeper.addWebhook(hook)
        let connection = try await bench.consent()
        _ = try await bench.keeper.refresh(connection.id)
        for attempt in 1...8 {
            let clock = bench.clock
            try await receiver.serve(keeper) { messages in
                guard messages.count < 8 else { return true }
                let retryAt = try await keeper.webhooks()[0].retryAt
                return messages.count >= attempt && retryAt.map { $0 > clock.now() } ?? false
            }
            let retryAt = try await keeper.webhooks()[0].retryAt ?? clock.now()
            clock.advance(max(retryAt.elapsed(since: clock.now()), .zero))
        }
        let told = receiver.received
        #expect(Set(told.prefix(6).map(\.id)).count == 1 && Set(told.map(\.id)).count == 2)
        #expect(told.prefix(6).allSatisfy { $0.type == "connection.connected" })
        #expect(told.dropFirst(6).map(\.type) == ["connection.refreshed", "connection.refreshed"])
        // The same event, told at another time.
        #expect(Set(told.prefix(6).compactMap { $0.headers["webhook-timestamp"] }).count == 6)
        #expect(Set(told.prefix(6).map(\.body)).count == 1)
        try await receiver.serve(keeper) { _ in try await keeper.webhooks()[0].failures == 0 }
        #expect(receiver.received.count == 8)
    }

    @Test func `one that is dead is asked ever more slowly, and others go on`() async throws {
        let bench = try await KeeperBench()
        let receiver = WebhookReceiver(bench) {
            $0.url == hook ? .failure(.notSent(.connect)) : .success(200)
        }
        let keeper = bench.keeper(receiver)
        _ = try await keeper.addWebhook(hook)
        _ = try await keeper.addWebhook(other)
        let connection = try await bench.consent()
        // Time stands still, but for what is waited here.
        for failures in 1...12 {
            try await receiver.serve(keeper) { _ in try await keeper.webhooks()[0].failures == failures }
            let retryAt = try #require(try await keeper.webhooks()[0].retryAt)
            let pause = retryAt.elapsed(since: bench.clock.now())
            let expected = min(Duration.seconds(1 << (failures - 1)), .seconds(300))
            #expect(pause >= expected && pause <= expected * 3 / 2)
            if failures < 12 { bench.clock.advance(pause) }
        }
        _ = try await bench.keeper.refresh(connection.id)
        try await receiver.serve(keeper) { messages in
            messages.contains { $0.url == other && $0.type == "connection.refreshed" }
        }
        #expect(receiver.received.filter { $0.url == hook }.count == 12)
        #expect(Set(receiver.received.filter { $0.url == hook }.map(\.id)).count == 1)
        // A clock that is set back a year does not silence it for a year.
        bench.clock.step(.zero - .seconds(365 * 86400))
        try await receiver.serve(keeper) { _ in try await keeper.webhooks()[0].failures == 13 }
    }

    @Test func `one that answers slowly holds up neither refreshes nor others`() async throws {
        let bench = try await KeeperBench()
        let gate = Gate()
        let receiver = WebhookReceiver(bench) { message in
            if message.url == hook { await gate.pass() }
            return .success(200)
        }
        let keeper = bench.keeper(receiver)
        _ = try await keeper.addWebhook(hook)
        _ = try await keeper.addWebhook(other)
        let connection = try await bench.consent()
        let vault = bench.vault
        try await receiver.serve(keeper, .seconds(1)) { messages in
            guard messages.contains(where: { $0.url == hook }) else { return false }
            let isRefreshed = try await vault.connection(connection.id).generation >= 3
            if isRefreshed { gate.open() }
            return isRefreshed && messages.filter { $0.url == other }.count >= 3
        }
        // What was under way when the service ended was told to its end, and once.
        let ids = receiver.received.filter { $0.url == hook }.map(\.id)
        #expect(ids.count == Set(ids).count)
    }
}

@Suite(.bounded) struct `A webhook learns no secret and no name` {
    @Test func `whatever happens and whatever the provider echoes`() async throws {
        let bench = try await KeeperBench()
        let receiver = WebhookReceiver(bench)
        let keeper = bench.keeper(receiver)
        let (_, secret) = try await keeper.addWebhook(hook)
        let connection = try await bench.consent(keeper, label: "planted label")
        let held = try await bench.vault.heldConnection(connection.id)
        for fault in [ScriptedFault.echo("invalid_request"), .page(isDone: false), .echo("invalid_grant")] {
            bench.server.failNext(fault)
            _ = try await keeper.refresh(connection.id)
            bench.clock.advance(.seconds(600))
        }
        _ = try await bench.vault.revealConnection(connection.id, reason: "planted reason")
        _ = try await keeper.revoke(connection.id)
        try await bench.whole { try await $0.users.remove("alice") }
        try await receiver.serve(keeper) { $0.contains { $0.type == "connection.revoked" } }
        var planted = [
            "alice", "planted label", "planted reason", KeeperBench.options.clientID,
            KeeperBench.options.clientSecret, "browser",
        ]
        for token in [held.pair?.accessToken, held.pair?.refreshToken, secret] {
            planted += try [#require(token).withExposed { String(decoding: $0, as: UTF8.self) }]
        }
        #expect(planted.count == 9)
        for message in receiver.received {
            let everything = message.body + message.headers.map { $0.key + $0.value }.joined()
            for text in planted { #expect(!everything.contains(text), "\(message.type)") }
            #expect(Set(message.json.keys) == ["data", "timestamp", "type"])
            #expect(Set(message.data.keys).isSubset(of: ["connection", "generation", "provider", "reason"]))
        }
        #expect(receiver.received.count >= 7)
    }
}

@Suite(.bounded) struct `Webhooks come and go` {
    @Test func `one that is new hears nothing old, and one that is gone nothing more`() async throws {
        let bench = try await KeeperBench()
        let receiver = WebhookReceiver(bench)
        let keeper = bench.keeper(receiver)
        let connection = try await bench.consent()
        _ = try await keeper.addWebhook(hook)
        _ = try await keeper.refresh(connection.id)
        try await receiver.serve(keeper) { !$0.isEmpty }
        _ = try await keeper.addWebhook(other)
        try await keeper.removeWebhook(hook)
        _ = try await keeper.refresh(connection.id)
        try await receiver.serve(keeper) { $0.contains { $0.url == other } }
        #expect(receiver.received.map(\.url) == [hook, other])
        #expect(receiver.received.map { $0.data["generation"] as? Int } == [2, 3])
        await #expect(throws: VaultError(.notFound, "")) { try await keeper.removeWebhook(hook) }
        await #expect(throws: VaultError(.notFound, "")) { try await keeper.testWebhook(hook) }
    }

    @Test func `another keeper goes on where the last one ended`() async throws {
        let bench = try await KeeperBench()
        let (first, second) = (WebhookReceiver(bench), WebhookReceiver(bench))
        let keeper = bench.keeper(first)
        _ = try await keeper.addWebhook(hook)
        let connection = try await bench.consent()
        try await first.serve(keeper) { !$0.isEmpty }
        _ = try await keeper.refresh(connection.id)
        try await second.serve(bench.keeper(second)) { !$0.isEmpty }
        #expect(first.received.map(\.type) == ["connection.connected"])
        #expect(second.received.map(\.type) == ["connection.refreshed"])
    }

    @Test(arguments: [
        "http://app.example/hooks", "ftp://app.example", "https://", "https://user:word@app.example/",
        "https://app.example/#here", "app.example", "", "https://app.example/\u{A}x",
    ])
    func `it is told over https alone, or within this machine`(_ url: String) async throws {
        let bench = try await KeeperBench()
        await #expect(throws: VaultError(.invalidInput, "")) { try await bench.keeper.addWebhook(url) }
        #expect(try await bench.keeper.webhooks().isEmpty)
    }

    @Test func `the same one twice is refused`() async throws {
        let bench = try await KeeperBench()
        _ = try await bench.keeper.addWebhook(hook)
        await #expect(throws: VaultError(.alreadyExists, "")) { try await bench.keeper.addWebhook(hook) }
    }
}
