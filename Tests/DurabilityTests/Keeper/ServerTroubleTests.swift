import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

extension Durability {
    /// A process that refreshes lives on while the server of its vault fails, at a provider that takes a second use of a
    /// refresh token for theft.
    @Suite(.serialized, .withServer)
    struct `P8: a server that fails in the middle of a refresh costs no token, on PostgreSQL` {
        private final class Scene: Sendable {
            let cluster: PostgresCluster
            let rig: KeeperRig

            init() async throws {
                cluster = try PostgresCluster()
                rig = try await KeeperRig(.revokes, on: .postgres, in: cluster, connections: 1)
            }

            /// A worker that was asked for the token, and holds at a place.
            func worker(holdingAt place: String) async throws -> AskedWorker {
                let worker = AskedWorker(try rig.worker(holdingAt: place))
                #expect(await worker.next() == "ready")
                worker.process.send("get \(rig.connections[0].rawValue) 1\n")
                #expect(await worker.next() == "held")
                return worker
            }

            /// Whether commits wait for a standby, which there is not.
            func demandStandby(_ isDemanded: Bool) throws {
                let wanted = isDemanded ? "nobody" : ""
                try cluster.run("ALTER SYSTEM SET synchronous_standby_names = '\(wanted)'", in: "postgres")
                try cluster.run("SELECT pg_reload_conf()", in: "postgres")
                let isRead = try (0..<500).contains { _ in
                    try cluster.run("SHOW synchronous_standby_names", in: "postgres") == wanted
                }
                #expect(isRead)
                // The checkpointer tells the others, and reads its settings before it makes a checkpoint.
                try cluster.run("CHECKPOINT", in: "postgres")
            }

            /// The worker gets the token by one request, and others get the same without another.
            func expectToken(_ worker: AskedWorker) async throws {
                let answer = try #require(await worker.next()).split(separator: " ").map(String.init)
                let family = rig.provider.families[0]
                #expect(answer.prefix(3) == ["token", "2", family.accessToken], "\(answer)")
                #expect(family.redemptions == [1, 0] && family.replays == 0 && !family.isRevoked)
                let other = try await OtherWorker(rig)
                let again = try await other.get(rig.connections[0])
                #expect(again.prefix(3) == answer.prefix(3))
                await other.end()
                worker.process.closeInput()
                #expect(await worker.process.end() == .exited(0))
                #expect(rig.provider.tokenRequests == 1)
                let vault = try await rig.open()
                try await vault.expectIntactLog("after the server's return")
                await vault.close()
                try await rig.server.shutdown()
                cluster.end()
            }
        }

        @Test func `it is away while the provider answers: the tokens are stored when it is back`()
            async throws
        {
            let scene = try await Scene()
            let worker = try await scene.worker(holdingAt: "answer")
            try scene.cluster.stop()
            worker.process.send("go\n")
            // Longer than a commit waits, and its outcome is looked for.
            try await Waiting.pass(.seconds(22))
            try scene.cluster.start()
            try await scene.expectToken(worker)
        }

        @Test func `it does not answer the commit of the intent: whether that was made is waited for`()
            async throws
        {
            let scene = try await Scene()
            let worker = try await scene.worker(holdingAt: "lease")
            try scene.demandStandby(true)
            worker.process.send("go\n")
            #expect(
                try await Waiting.until {
                    try scene.cluster.run(
                        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", in: "postgres")
                        != "0"
                })
            // Longer than a commit waits, and its outcome is looked for.
            try await Waiting.pass(.seconds(24))
            #expect(scene.rig.provider.tokenRequests == 0)
            try scene.demandStandby(false)
            try await scene.expectToken(worker)
        }
    }
}
