import Foundation
import Testing
import TokenVault
import VaultCore

extension Durability {
    @Suite(.serialized) struct `P3: simultaneous refreshes have one successor` {
        @Test func `64 callers in one process get the same pair`() async throws {
            let rig = try Rig()
            let vault = try await rig.create()
            let (grant, link) = try #require(try await Chains.begin(1, in: vault).last.first)
            let answers = try await refresh(link.token, 64, vault)
            #expect(Set(answers.map { $0.text }).count == 1)
            #expect(Set(answers.map { $0.generation }) == [link.generation + 1])
            #expect(try await vault.grants.find(GrantID(grant)).generation == link.generation + 1)
            try await vault.expectIntactLog()
            await vault.close()
        }

        @Test func `callers in two processes get the same pair`() async throws {
            let rig = try Rig()
            let vault = try await rig.create()
            let chains = try await Chains.begin(8, in: vault)
            for (grant, link) in chains.last {
                var one = Chains()
                one.last[grant] = link
                let worker = try rig.worker(one, limit: 1, callers: 32)
                var pairs: [String] = []
                for await line in worker.lines {
                    switch one.note(line) {
                    case .ready:
                        worker.send("go\n")
                        pairs += try await refresh(link.token, 32, vault).map { $0.text }
                    case .acknowledged, .replayed:
                        #expect(one.last[grant]?.generation == link.generation + 1)
                        pairs.append(one.last[grant]?.token ?? "")
                    case .failed, .other: #expect(line == "swapped" || line == "done")
                    }
                }
                #expect(pairs.count == 64 && Set(pairs).count == 1)
                #expect(try await vault.grants.find(GrantID(grant)).generation == link.generation + 1)
            }
            try await vault.expectIntactLog()
            await vault.close()
        }

        private func refresh(_ token: String, _ callers: Int, _ vault: Vault) async throws -> [IssuedTokens] {
            let client = try await vault.clients.find(Rig.client)
            return try await withThrowingTaskGroup { group in
                for _ in 0..<callers {
                    group.addTask {
                        let answer = try await vault.refresh(token, client)
                        return try #require(answer.issued ?? answer.replayed)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
    }

    @Suite(.serialized) struct `P6: two processes on one vault corrupt nothing` {
        @Test func `a service under load and an operator's commands, neither starved`() async throws {
            let rig = try Rig()
            var chains = try await rig.prepare(grants: 32)
            let worker = try rig.worker(chains, limit: 300)
            var commands = 0
            var longest = Duration.zero
            var revoked: Set<Int64> = []
            var lines = worker.lines.makeAsyncIterator()
            while let line = await lines.next(), chains.note(line) != .ready {}
            worker.send("go\n")
            // Commands open the vault, do one thing and close it, as the shell's do.
            var swaps = 0
            for turn in 0..<40 {
                let start = ContinuousClock.now
                let vault = try await rig.open()
                _ = try await vault.users.add("user-\(turn)")
                let code = try await vault.authorize(
                    Authorization(
                        client: Rig.client, user: "user-\(turn)",
                        scope: try #require(ScopeSet(parsing: "basic")),
                        redirectURI: nil))
                try await vault.grants.revoke(code.grant)
                revoked.insert(code.grant.rawValue)
                await vault.close()
                longest = max(longest, ContinuousClock.now - start)
                commands += 1
            }
            while let line = await lines.next() {
                switch chains.note(line) {
                case .acknowledged: swaps += 1
                case .other("swapped"), .other("done"): break
                case let unexpected: Issue.record("\(unexpected)")
                }
            }
            #expect(await worker.end() == .exited(0))
            #expect(swaps == 32 * 300 && commands == 40)
            #expect(longest < .seconds(5), "a command took \(longest)")
            let vault = try await rig.open()
            for grant in revoked { #expect(try await vault.grants.find(GrantID(grant)).state == .revoked) }
            try await chains.resume(in: vault)
            try await vault.expectIntactLog()
            await vault.close()
            print("two processes: \(swaps) swaps beside \(commands) commands, the longest \(longest)")
        }

        @Test func `a process stopped with the lock in its hands makes others busy, not wrong`() async throws
        {
            let rig = try Rig()
            var chains = try await rig.prepare(grants: 2)
            let vault = try await rig.open()
            let worker = try rig.worker(
                chains, limit: 5, environment: try await FaultyDisk.watching(rig, ["DISK_STOP": "3"]))
            var lines = worker.lines.makeAsyncIterator()
            while let line = await lines.next(), chains.note(line) != .ready {}
            worker.send("go\n")
            #expect(await worker.end(WUNTRACED) == .stopped(by: SIGSTOP))

            async let write = await #expect(throws: VaultError(.busy, "")) {
                _ = try await vault.users.add("bob")
            }
            async let open = await #expect(throws: VaultError(.busy, "")) { _ = try await rig.open() }
            // Reading waits for nobody.
            for (grant, link) in chains.last {
                #expect(try await vault.grants.find(GrantID(grant)).generation == link.generation)
            }
            _ = await (write, open)

            worker.signal(SIGCONT)
            while let line = await lines.next() {
                let said = chains.note(line)
                // What waited behind the stopped commit for longer than the deadline is told so.
                if case .failed(_, let code) = said { #expect(code == "busy") }
            }
            #expect(await worker.end() == .exited(0))
            _ = try await vault.users.add("bob")
            try await chains.resume(in: vault)
            try await vault.expectIntactLog()
            await vault.close()
        }
    }
}
