import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto

extension Durability {
    /// Everything is as in service: clients by HTTP, one service that is never restarted, and the operator's command.
    @Suite(.serialized) struct `Keys rotate while a service serves` {
        private static let keys = [
            "root", "handles", "lookup", "rows", "log", "signing", "--deep", "tags", "issuer",
        ]

        @Test
        func
            `kills of the command while 64 clients refresh by HTTP: no token is lost, nothing but 200 and 503`()
            async throws
        {
            var random = SeededGenerator("served rotations")
            let rig = try Rig()
            let (tokens, secret, clientID) = try await prepare(rig)
            let service = try rig.command(
                ["serve", "--listen", "127.0.0.1:0", "--json"], complaints: "serve.log")
            let announced = try #require(await service.firstLine())
            let url = try #require(try object(announced)["url"] as? String)
            let crowd = ServedCrowd(tokens, at: url, client: clientID, secret: secret)
            let refreshing = Task { await crowd.refreshUntilCancelled() }

            let start = ContinuousClock.now
            var (kills, unfinished, rounds) = (0, 0, 0)
            let wanted = Effort.rounds(16, nightly: 52)
            // And on, until a kill met one in its middle.
            while kills < wanted || unfinished == 0, rounds < 160 {
                let key = Self.keys[rounds % Self.keys.count]
                let child = try rig.command(["key", "rotate", key, "--json"], complaints: "rotate.log")
                // Starting takes a while; the longer rotations get more time, so that kills meet every part of them.
                let most = key == "--deep" ? 1500 : 500
                try await Waiting.pass(.milliseconds(Int.random(in: 20...most, using: &random)))
                child.signal(SIGKILL)
                rounds += 1
                let ended = await rig.ended(child, complaints: "rotate.log")
                switch ended.end {
                case .killed(by: SIGKILL):
                    kills += 1
                    if try await rig.rotationsBegun() > 0 { unfinished += 1 }
                case let other: #expect(other == .exited(0), "\(key): \(ended.complaints)")
                }
            }
            let killing = ContinuousClock.now - start
            for key in Self.keys {
                let ended = try await rig.ended(["key", "rotate", key, "--json"])
                #expect(ended.end == .exited(0), "\(key): \(ended.complaints)")
            }
            let all = ContinuousClock.now - start
            refreshing.cancel()
            await refreshing.value
            try await crowd.resume()
            try await crowd.end()
            let counts = crowd.counts

            #expect(kills >= wanted)
            #expect(unfinished > 0, "no kill met a rotation in its middle")
            #expect(counts.failures == [])
            #expect(counts.refreshes > 64 && counts.introspections > 8 && counts.idTokens > 8)
            service.signal(SIGTERM)
            #expect(await service.end() == .exited(0), "the service that began is the one that ends")
            let log = try String(contentsOfFile: rig.directory + "/serve.log", encoding: .utf8)
            #expect(!log.contains(" error ") && !log.contains(" critical "), "\(log)")
            try await expectEndState(rig)
            print(
                "served rotations: \(kills) kills in \(rounds) rounds of \(killing / rounds), \(unfinished) left "
                    + "something to take up; \(counts.refreshes) refreshes in \(all), \(counts.putOff) put off, "
                    + "\(counts.introspections) introspections, \(counts.idTokens) id_tokens")
        }

        private func prepare(_ rig: Rig) async throws -> (tokens: [String], secret: String, clientID: String)
        {
            let vault = try await rig.create(scope: "openid basic")
            let chains = try await Chains.begin(64, in: vault, scope: "openid basic")
            try await withThrowingTaskGroup { group in
                for number in 0..<300 { group.addTask { _ = try await vault.users.add("user \(number)") } }
                try await group.waitForAll()
            }
            let client = try await vault.clients.rotateSecret(of: Rig.client, overlap: .zero)
            let secret = try #require(client.secret).withExposed { String(decoding: $0, as: UTF8.self) }
            await vault.close()
            return (chains.last.values.map(\.token), secret, client.client.clientID)
        }

        private func expectEndState(_ rig: Rig) async throws {
            let verified = try await rig.ended(["audit", "verify", "--json"])
            #expect(verified.end == .exited(0), "\(verified.output) \(verified.complaints)")
            #expect(try await rig.rotationsBegun() == 0)
            let inventory = try await rig.ended(["key", "inventory", "--json"])
            #expect(inventory.end == .exited(0))
            let entries = try inventory.output.map { try object($0) }
            let purposes = Set(entries.compactMap { $0["purpose"] as? String })
            #expect(
                purposes.isSuperset(of: ["root", "role", "keyslots", "owners", "rows", "log", "id_token"]))
            for entry in entries
            where ["root", "owners", "rows", "log"].contains(entry["purpose"] as? String) {
                #expect(entry["state"] as? String == "current", "\(entry)")
            }
            let users = try await rig.ended(["user", "list", "--json"])
            #expect(users.output.count == 301)
        }

        private func object(_ line: String) throws -> [String: Any] {
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
    }
}

extension ChildProcess {
    /// The first line it writes; nil when it ends without one.
    fileprivate func firstLine() async -> String? {
        var lines = lines.makeAsyncIterator()
        return await lines.next()
    }
}
