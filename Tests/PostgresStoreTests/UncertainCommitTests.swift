import Foundation
import PostgresStore
import Synchronization
import TestSupport
import Testing
import VaultCore
import VaultStore

/// A server of its own, whose commits wait for a standby that does not exist.
private final class Unconfirmed: Sendable {
    let cluster: PostgresCluster
    let scene: Scene
    /// Whether the store said of the newest commit that it is durable.
    let isDurable = Signal()

    init() throws {
        cluster = try PostgresCluster()
        scene = try Scene(in: cluster)
    }

    /// Commits, and does `disturb` with the sessions that wait for a standby, whose pids it is given as a query.
    func commit(
        isThere: @escaping @Sendable (Database) throws -> Bool, disturbedBy disturb: String,
        meanwhile: () -> Void = {}
    ) async throws -> CommitOutcome {
        try cluster.demandStandby("nobody")
        let outcome = Handoff<CommitOutcome>()
        BlockingThread.run { [scene, isDurable] in
            outcome.put(
                scene.commit(isThere: isThere, durable: isDurable.set) {
                    [RowWrite(replacing: .logHead, Scene.head($0 + 1))]
                })
        }
        let waits =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"
        #expect(try await Waiting.until { try scene.run(waits) != "" })
        _ = try scene.run("SELECT \(disturb)(pid) FROM (\(waits)) AS w")
        meanwhile()
        return try await BlockingThread.result { outcome.take() }
    }
}

@Suite(.bounded, .serialized) struct `A commit of unknown outcome is settled by a later one` {
    private static let grown: @Sendable (Database) throws -> Bool = {
        try $0.count("SELECT size FROM audit_head") == 1
    }

    @Test(arguments: ["pg_cancel_backend", "pg_terminate_backend"])
    func `a wait for the standby that ended without one is not believed before a standby confirms`(
        _ disturb: String
    ) async throws {
        let server = try Unconfirmed()
        defer { server.cluster.end() }
        let begun = ContinuousClock.now
        // Nobody confirms in ten seconds: it is there for all to see, and may yet be lost.
        let outcome = try await server.commit(isThere: Self.grown, disturbedBy: disturb)
        #expect(outcome.isUnknown)
        #expect(!server.isDurable.isSet)
        #expect(ContinuousClock.now - begun >= .seconds(10))
        #expect(try server.scene.size() == 1)
    }

    @Test func `it is told as soon as a later commit is confirmed`() async throws {
        let server = try Unconfirmed()
        defer { server.cluster.end() }
        let outcome = try await server.commit(
            isThere: { database in
                // By now the lock was taken, so that the one before has ended: from here on commits count.
                try server.cluster.demandStandby("")
                return try Self.grown(database)
            }, disturbedBy: "pg_cancel_backend")
        #expect(outcome.isCommitted)
        // What a commit has to note is noted of this one too.
        #expect(server.isDurable.isSet)
        #expect(try server.scene.size() == 1)
        #expect(server.scene.grow().isCommitted)
    }

    @Test func `while it waits for a standby it holds the lock, and all who want that give up in time`()
        async throws
    {
        let server = try Unconfirmed()
        defer { server.cluster.end() }
        let begun = ContinuousClock.now
        let opening = Handoff<(any Error)?>()
        // Nothing ends the wait: the session that has the lock is there for longer than anybody looks.
        let outcome = try await server.commit(isThere: Self.grown, disturbedBy: "abs") {
            BlockingThread.run { opening.put(failure { try server.scene.other().close() }) }
        }
        #expect(outcome.isUnknown)
        let refusal = try await BlockingThread.result { opening.take() }
        #expect((refusal as? VaultError)?.code == .busy)
        #expect(ContinuousClock.now - begun < .seconds(15))
        try server.cluster.demandStandby("")
    }

    @Test func `what is not there was not done`() async throws {
        let server = try Unconfirmed()
        defer { server.cluster.end() }
        let outcome = try await server.commit(
            isThere: { _ in
                try server.cluster.demandStandby("")
                return false
            }, disturbedBy: "pg_terminate_backend")
        #expect(outcome.failure?.code == .unavailable)
    }
}

@Suite(.bounded, .serialized) struct `Without a standby no new work is taken, unless none was ever wanted` {
    @Test func `a vault that wants one is not made without, and says so when it goes away`() async throws {
        let cluster = try PostgresCluster(settings: ["synchronous_standby_names = ''"])
        defer { cluster.end() }
        #expect(throws: VaultError(.unavailable, "")) { try Scene(in: cluster, isSingle: false) }
        try cluster.demandStandby("replica")
        try cluster.startStandby(named: "replica")
        let scene = try Scene(in: cluster, isSingle: false)
        #expect(scene.grow().isCommitted)
        #expect(scene.store.acceptsNewWork)
        try cluster.demandStandby("")
        // What finishes something still goes on, and by it is seen how things are.
        #expect(try await Waiting.until { scene.grow().isCommitted && !scene.store.acceptsNewWork })
        #expect(scene.store.refusalOfNewWork()?.code == .unavailable)
        try cluster.demandStandby("replica")
        #expect(
            try await Waiting.until {
                scene.store.keepUp()
                return scene.store.acceptsNewWork
            })
        // A standby is not taken for the primary.
        try cluster.describe(
            "standby", "host=127.0.0.1\nport=\(cluster.standbyPort)\nuser=tokenvault\ndbname=\(scene.service)"
        )
        #expect(throws: VaultError(.unavailable, "")) {
            try PostgresStore(at: PostgresPlace(service: "standby"), logger: Scene.logger)
        }
    }
}
