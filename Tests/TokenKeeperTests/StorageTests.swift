import Foundation
import Synchronization
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.serialized, .bounded, .ofFiles)
struct `P8: on a full disk nothing is spent, and what was granted is stored` {
    @Test func `tokens that arrive on a full disk are stored, and no refresh begins there`() async throws {
        try await withSmallDisk { place in
            let bench = try await KeeperBench(in: place)
            let first = try await bench.connect(label: "first")
            let second = try await bench.connect(label: "second")
            let filler = place + "/filler"
            let filling = FillingTransport(
                ScriptedTransport(bench.server, pause: { bench.clock.advance($0) }), filler)
            var configuration = KeeperConfiguration()
            configuration.pause = { bench.clock.advance($0) }
            let keeper = TokenKeeper(vault: bench.vault, transport: filling, configuration: configuration)
            bench.clock.advance(.seconds(3700))

            // The disk fills up while the provider answers.
            let token = try await bench.ready(first.id, keeper)
            #expect(bench.server.isLive(accessToken: token.text))
            #expect(try await bench.vault.connection(first.id).generation == 2)

            // Until the vault has noticed: whatever fits beside the ballast is still taken.
            var rounds = 0
            var answer = try await keeper.accessToken(for: second.id)
            var calls = bench.server.tokenRequests
            while case .ready = answer, rounds < 2000 {
                rounds += 1
                bench.clock.advance(.seconds(3700))
                calls = bench.server.tokenRequests
                answer = try await keeper.accessToken(for: second.id)
            }
            guard case .unavailable(_, .vault) = answer else {
                Issue.record("\(answer) after \(rounds) rounds")
                return
            }
            #expect(bench.server.tokenRequests == calls, "nothing was sent")
            #expect(bench.server.reuseAlarms == 0)

            unlink(filler)
            filling.isFilling.withLock { $0 = false }
            let deadline = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < deadline {
                bench.clock.advance(.seconds(60))
                if case .ready = try await keeper.accessToken(for: second.id) { break }
                await Task.yield()
            }
            _ = try await bench.ready(second.id, keeper)
            #expect(try await bench.verify().isIntact)
            await bench.vault.close()
        }
    }

    private func withSmallDisk(_ body: (String) async throws -> Void) async throws {
        let place = NSTemporaryDirectory() + "/tokenvault-keeper-disk-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        try run("mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", place)
        do { try await body(place) } catch { Issue.record(error) }
        try run("umount", "-l", place)
        try FileManager.default.removeItem(atPath: place)
    }

    private func run(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(arguments)")
    }
}

/// Fills the disk before each call is answered.
private final class FillingTransport: ProviderTransport {
    let isFilling = Mutex(true)
    private let next: ScriptedTransport
    private let filler: String

    init(_ next: ScriptedTransport, _ filler: String) {
        self.next = next
        self.filler = filler
    }

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        if isFilling.withLock({ $0 }) { fill() }
        return try await next.send(request)
    }

    private func fill() {
        let descriptor = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { return }
        for size in [1 << 20, 1 << 16, 4096, 512] {
            let block = [UInt8](repeating: 0xAA, count: size)
            while write(descriptor, block, size) == size {}
        }
        close(descriptor)
    }
}
