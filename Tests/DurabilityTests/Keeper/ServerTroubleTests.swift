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

            /// The server and every session of the vault, none of which says a word until they go on.
            func processes() throws -> [pid_t] {
                let sessions = try cluster.run(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'tokenvault'", in: "postgres")
                let server = try String(
                    contentsOfFile: cluster.directory + "/data/postmaster.pid", encoding: .utf8)
                return (sessions.split(separator: "\n") + server.split(separator: "\n").prefix(1))
                    .compactMap { pid_t($0) }
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

        @Test func `it falls silent while the intent is committed: whether it was is waited for`()
            async throws
        {
            let scene = try await Scene()
            let worker = try await scene.worker(holdingAt: "lease")
            let tracer = try await Tracer(
                worker.process, ["-e", "trace=sendto", "-e", "inject=sendto:delay_enter=3s:when=2"],
                thread: "vault.writer")
            worker.process.send("go\n")
            // The lock is had, the commit not sent.
            #expect(try await Waiting.until { tracer.log.contains(") = ") })
            #expect(
                try await Waiting.until {
                    try scene.cluster.run(
                        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'",
                        in: "postgres") == "1"
                })
            let processes = try scene.processes()
            for process in processes { kill(process, SIGSTOP) }
            try await Waiting.pass(.seconds(27))
            for process in processes.reversed() { kill(process, SIGCONT) }
            #expect(scene.rig.provider.tokenRequests == 0)
            try await scene.expectToken(worker)
        }
    }
}
