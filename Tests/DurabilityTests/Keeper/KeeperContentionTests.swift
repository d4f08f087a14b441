import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

extension Durability {
    @Suite(.serialized) struct `P8: simultaneous callers share one refresh` {
        private static let processes = 8
        private static let callers = 64
        private static let rounds = 5

        @Test(arguments: [Provider.ReplayPolicy.rejected, .revokes])
        func `512 callers in 8 processes: one redemption, one token`(policy: Provider.ReplayPolicy)
            async throws
        {
            try await Self.contend(policy, on: .file)
        }

        @Test(.withServer, arguments: [Provider.ReplayPolicy.rejected, .revokes])
        func `512 callers in 8 processes on PostgreSQL: one redemption, one token`(
            policy: Provider.ReplayPolicy
        ) async throws {
            try await Self.contend(policy, on: .postgres)
        }

        private static func contend(_ policy: Provider.ReplayPolicy, on ground: Ground) async throws {
            let rig = try await KeeperRig(policy, on: ground, connections: Self.rounds)
            var spans: [Int] = []
            let workers = try (0..<Self.processes).map { _ in try rig.worker() }
            var lines = workers.map { $0.lines.makeAsyncIterator() }
            for index in lines.indices {
                let line = await lines[index].next()
                try #require(line == "ready")
            }
            for round in 0..<Self.rounds {
                // Slow enough for everybody to come before it is over.
                rig.provider.failNext(.late(.milliseconds(150)))
                for worker in workers {
                    worker.send("get \(rig.connections[round].rawValue) \(Self.callers)\n")
                }
                var answers: [String: Int] = [:]
                for index in lines.indices {
                    while let line = await lines[index].next(), line != "done" {
                        let words = line.split(separator: " ")
                        if words.count == 4, let span = Int(words[3]) { spans.append(span) }
                        answers[words.prefix(3).joined(separator: " "), default: 0] += 1
                    }
                }
                let family = rig.provider.families[round]
                #expect(answers == ["token 2 \(family.accessToken)": Self.processes * Self.callers])
                #expect(family.redemptions == [1, 0])
                #expect(family.replays == 0)
            }
            #expect(rig.provider.tokenRequests == Self.rounds)
            for worker in workers { worker.closeInput() }
            for worker in workers { #expect(await worker.end() == .exited(0)) }
            let vault = try await rig.open()
            try await vault.expectIntactLog("\(policy)")
            await vault.close()
            try await rig.server.shutdown()
            spans.sort()
            let (middle, high) = (spans[spans.count / 2], spans[spans.count * 99 / 100])
            print(
                "contention, \(ground), \(policy.word): p50 \(middle / 1000) ms, p99 \(high / 1000) ms of \(spans.count) calls; the provider takes 150 ms"
            )
            #expect(high < 5_000_000)
        }
    }
}
