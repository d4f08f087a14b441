import Foundation
import Synchronization
import TestSupport
import Testing
import TokenVault
import VaultCore

extension Durability {
    @Suite(.serialized) struct `Keys rotate under load, and a killed rotation is taken up` {
        /// The clients are in this process, as a service's are; the rotations in others, as an operator's command is.
        @Test
        func `kills of rotations while 64 clients refresh: no token is lost, and each rotation ends`()
            async throws
        {
            var random = SeededGenerator("rotations")
            let rig = try Rig()
            let vault = try await rig.create()
            let chains = try await Chains.begin(64, in: vault)
            try await withThrowingTaskGroup { group in
                for number in 0..<400 { group.addTask { _ = try await vault.users.add("user \(number)") } }
                try await group.waitForAll()
            }
            let crowd = Crowd(chains)
            let refreshing = Task { await crowd.refresh(in: vault) }

            var kills = 0
            var unfinished = 0
            let keys = ["root", "rows", "lookup", "deep"]
            let wanted = Effort.rounds(16, nightly: 56)
            // And on, until a kill met one in its middle.
            for round in 0..<140 where kills < wanted || unfinished == 0 {
                let rotator = try rig.rotator(keys[round % keys.count])
                // The longer ones get more time, so that a kill meets every part of them.
                let patience = Duration.milliseconds(
                    Int.random(in: 0...(round / 4 % 7 + 1) * 60, using: &random))
                for await line in rotator.lines where line == "ready" {
                    try await Waiting.pass(patience)
                    rotator.signal(SIGKILL)
                }
                switch await rotator.end() {
                case .killed(by: SIGKILL):
                    kills += 1
                    if try sqliteCount(rig, "SELECT count(*) FROM role_keys WHERE state = 2") > 0 {
                        unfinished += 1
                    }
                case let other: #expect(other == .exited(0))
                }
            }
            for key in keys {
                let rotator = try rig.rotator(key)
                var words: [String] = []
                for await line in rotator.lines { words.append(line) }
                #expect(await rotator.end() == .exited(0), "\(key)")
                #expect(words == ["ready", "done"], "\(key)")
            }
            refreshing.cancel()
            await refreshing.value

            #expect(kills >= wanted)
            #expect(unfinished > 0, "no kill met a rotation in its middle")
            #expect(
                crowd.refusals == [],
                "none of them is a refusal that a client would take for the end of its grant")
            #expect(crowd.refreshes > 64)
            var after = crowd.chains
            try await after.resume(in: vault)
            #expect(try await vault.users.list().count == 401)
            try await vault.expectIntactLog()
            #expect(try sqliteCount(rig, "SELECT count(*) FROM role_keys WHERE state = 2") == 0)
            #expect(try sqliteCount(rig, "SELECT count(previous_version) FROM owner_keys") == 0)
            #expect(try sqliteCount(rig, "SELECT count(*) FROM jobs") == 0)
            await vault.close()
            print(
                "rotations: \(kills) kills, \(unfinished) in the middle, \(crowd.refreshes) refreshes meanwhile"
            )
        }

        private func sqliteCount(_ rig: Rig, _ query: String) throws -> Int {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/sqlite3")
            process.arguments = ["-readonly", "-cmd", ".timeout 10000", rig.path, query]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let data = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            return try #require(Int(text), "\(query)")
        }
    }
}

/// Clients that refresh one grant each until they are told to stop.
private final class Crowd: Sendable {
    private let state: Mutex<(chains: Chains, refreshes: Int, refusals: [String])>

    init(_ chains: Chains) { state = Mutex((chains, 0, [])) }

    var chains: Chains { state.withLock { $0.chains } }
    var refreshes: Int { state.withLock { $0.refreshes } }
    var refusals: [String] { state.withLock { $0.refusals } }

    func refresh(in vault: Vault) async {
        await withTaskGroup { group in
            for (grant, link) in chains.last {
                group.addTask { await self.refresh(grant, link.token, in: vault) }
            }
        }
    }

    private func refresh(_ grant: Int64, _ first: String, in vault: Vault) async {
        var token = first
        while !Task.isCancelled {
            do {
                let result = try await vault.refresh(token, vault.clients.find(Rig.client))
                guard let tokens = result.issued ?? result.replayed else {
                    return state.withLock { $0.refusals.append("grant \(grant): \(result)") }
                }
                token = tokens.text
                state.withLock {
                    $0.refreshes += 1
                    $0.chains.last[grant] = Chains.Link(generation: tokens.generation, token: token)
                }
            } catch let error as VaultError where [.busy, .unavailable].contains(error.code) {
                // 503: the client tries again.
            } catch {
                return state.withLock { $0.refusals.append("grant \(grant): \(error)") }
            }
            // A crowd, not a flood: rotations make way for whoever writes.
            try? await Waiting.pass(.milliseconds(20))
        }
    }
}
