import Foundation
import PostgresStore
import TestSupport
import Testing
import VaultCore
import VaultStore

@Suite(.bounded) struct `A commit on PostgreSQL is all or nothing` {
    @Test func `a row that is not there undoes the whole, though the commit was sent with it`() throws {
        let scene = try Scene()
        let outcome = scene.commit { size in
            [
                RowWrite(replacing: .logHead, Scene.head(size + 1)),
                RowWrite("UPDATE jobs SET state = 'x' WHERE id = ?", [.integer(7)], changing: (.grants, 7)),
            ]
        }
        guard case .notApplied(let error) = outcome else { Issue.record("\(outcome)"); return }
        #expect(error.code == .integrity)
        #expect(try scene.size() == 0)
        #expect(scene.grow().isCommitted)
    }

    @Test func `a savepoint undoes its part, and what nothing can be done after is gone`() throws {
        let scene = try Scene()
        let insert = RowWrite("INSERT INTO jobs (kind, state, progress) VALUES (?, '', '')", [.text("a")])
        let outcome = scene.store.commit(
            waiting: {},
            { transaction in
                try transaction.ask([]) { _, _ in }
                let undone = failure {
                    try transaction.savepoint {
                        try transaction.apply([insert])
                        throw VaultError(.denied, "no")
                    }
                }
                #expect((undone as? VaultError)?.code == .denied)
                let broken = failure {
                    try transaction.savepoint { _ = try transaction.database.integer("SELECT 1 / 0") }
                }
                #expect(broken != nil)
                try transaction.savepoint { try transaction.apply([insert]) }
                let count = try transaction.database.count("SELECT count(*) FROM jobs")
                #expect(count == 1)
                return StoreCommit([insert], isThere: nil)
            }, durable: { _ in })
        #expect(outcome.isCommitted)
        #expect(try scene.run("SELECT count(*), max(id) - min(id) FROM jobs") == "2|1")
    }

    @Test func `a body that throws, and one that wants nothing, leave nothing and hold nothing`() throws {
        let scene = try Scene()
        let outcome = scene.commit { _ in throw VaultError(.denied, "no") }
        #expect(outcome.failure?.code == .denied)
        guard case .unchanged = scene.store.commit(waiting: {}, { _ in nil }, durable: { _ in }) else {
            Issue.record("something was committed")
            return
        }
        #expect(try scene.grow(in: scene.other()).isCommitted)
        #expect(try scene.size() == 1)
    }

    @Test func `values of every kind come back as they were, and NUL is refused`() throws {
        let scene = try Scene()
        let values: [SQLValue] = [
            .integer(.min), .integer(.max), .text(""), .text("ä€😀"), .blob([]), .blob([0, 255, 0]), .null,
        ]
        for value in values {
            // A statement is kept for values of one type, as the columns of tables are.
            let type =
                switch value {
                case .integer, .null: "bigint"
                case .text: "text"
                case .blob: "bytea"
                }
            let found = try scene.store.reader.read {
                try $0.firstRow("SELECT CAST(? AS \(type))", [value]) { $0.value(0) }
            }
            #expect(found == value)
        }
        #expect(throws: VaultError(.invalidInput, "")) {
            try scene.store.reader.read { try $0.integer("SELECT ?", [.text("a\0b")]) }
        }
        // The batch is repeated body by body, so that only one of them fails.
        let insert = "INSERT INTO jobs (kind, state, progress) VALUES (?, '', '')"
        let outcome = scene.commit { _ in
            [RowWrite(insert, [.text("a")]), RowWrite(insert, [.text("a\0b")])]
        }
        guard case .notApplied(let error) = outcome else { Issue.record("\(outcome)"); return }
        #expect(error.code == .invalidInput)
        #expect(try scene.run("SELECT count(*) FROM jobs") == "0")
        // The first time a null, then a value: the statement that is kept has to fit both.
        for end: SQLValue in [.null, .integer(5)] {
            #expect(
                scene.commit { _ in
                    [
                        RowWrite("DELETE FROM backups"),
                        RowWrite(
                            "INSERT INTO backups (id, backup_id, log_size, created_at, keep_until, leaf, row_tag) VALUES (1, ?, 0, 0, ?, 0, ?)",
                            [.blob([UInt8](repeating: 1, count: 16)), end, .blob([])]),
                    ]
                }.isCommitted)
            let found = try scene.store.reader.read {
                try $0.firstRow("SELECT keep_until FROM backups") { $0.value(0) }
            }
            #expect(found == end)
        }
    }

    @Test func `writers take turns, and who waits too long is told so`() async throws {
        let scene = try Scene()
        let isOver = try await scene.holdLock(by: scene.other())
        let patience = ContinuousClock.now + .milliseconds(200)
        let late = scene.commit {
            guard ContinuousClock.now < patience else { throw VaultError(.busy, "too long") }
        } _: { _ in
            []
        }
        #expect(late.failure?.code == .busy)
        isOver.signal()
        // Sees what was committed before it.
        #expect(scene.grow().isCommitted)
        #expect(try scene.size() == 2)
    }

    @Test func `the time of a transaction is the server's, and the same clock goes on between`() throws {
        let scene = try Scene()
        var time: StoreTime?
        _ = scene.store.commit(
            waiting: {},
            { transaction in
                try transaction.ask([]) { _, _ in }
                time = transaction.time
                return nil
            }, durable: { _ in })
        let found = try #require(time)
        let server = try #require(
            Int64(scene.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")))
        #expect(abs(server - found.now.millisecondsSince1970) < 10_000)
        let system = try scene.run("SELECT system_identifier FROM pg_control_system()")
        #expect(found.reading.clock == "pg:\(system)")
        let later = scene.store.time(by: SystemClock())
        let passed = try #require(later.reading.milliseconds(since: found.reading))
        #expect(passed >= 0)
    }

    @Test func `a wait for the lock does not put the clock forward`() async throws {
        let scene = try Scene()
        let isOver = try await scene.holdLock(by: scene.other())
        let begun = ContinuousClock.now
        let outcome = scene.commit {
            if ContinuousClock.now - begun > .seconds(2) { isOver.signal() }
        } _: { size in
            [RowWrite(replacing: .logHead, Scene.head(size + 1))]
        }
        #expect(outcome.isCommitted)
        let time = scene.store.time(by: SystemClock()).now.millisecondsSince1970
        let server = try #require(
            Int64(scene.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")))
        #expect(time <= server)
    }

    @Test func `who serves is counted by the table, until it closes`() throws {
        let scene = try Scene()
        let other = try scene.other()
        #expect(try scene.store.beginServing())
        #expect(try !other.beginServing())
        try scene.store.close()
        try other.close()
        let third = try scene.other()
        #expect(try third.beginServing())
        // One that was killed counts for 15 seconds.
        _ = try scene.run("UPDATE instances SET seen_at = seen_at - 20000")
        #expect(try scene.other().beginServing())
        #expect(try scene.run("SELECT count(*) FROM instances") == "2")
        // Its row goes after a day.
        _ = try scene.run("UPDATE instances SET seen_at = seen_at - 90000000")
        #expect(try scene.other().beginServing())
        #expect(try scene.run("SELECT count(*) FROM instances") == "1")
    }
}

@Suite(.bounded) struct `Reading from PostgreSQL` {
    @Test func `a snapshot shows one state, and a single statement the newest`() throws {
        let scene = try Scene()
        try scene.store.reader.snapshot { database throws in
            let sql = "SELECT size FROM audit_head WHERE id = 1"
            let before = try database.count(sql)
            let isCommitted = scene.grow().isCommitted
            let after = try database.count(sql)
            #expect(before == 0 && isCommitted && after == 0)
            let refusal = failure { _ = try database.count("DELETE FROM jobs RETURNING 1") }
            #expect(refusal != nil)
        }
        #expect(try scene.size() == 1)
    }

    @Test func `long reading goes through cursors, one within another, and may stop early`() throws {
        let scene = try Scene()
        _ = try scene.run(
            "INSERT INTO jobs (kind, state, progress) SELECT 'k', '', '' FROM generate_series(1, 1700)")
        let found = try scene.store.withOwnReader { database in
            try database.rows("SELECT id FROM jobs WHERE kind = ? ORDER BY id", [.text("k")]) { row in
                let id = row.integer(0)
                var seen = 0
                try database.forEachRow("SELECT id FROM jobs WHERE id >= ?", [.integer(id)]) { _ in
                    seen += 1
                    return seen < 3
                }
                return id
            }
        }
        #expect(found == Array(1...1700))
    }

    @Test func `an answer that is too large is refused, and the next one is right`() throws {
        let scene = try Scene()
        #expect(throws: VaultError(.internalError, "")) {
            try scene.store.reader.read {
                try $0.forEachRow("SELECT repeat('a', 1000000) FROM generate_series(1, 100)") { _ in true }
            }
        }
        #expect(try scene.size() == 0)
    }

    @Test func `a connection that was lost while it rested costs nobody anything`() throws {
        let scene = try Scene()
        let cut = """
            SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        for size in 1...3 {
            #expect(scene.grow().isCommitted)
            #expect(try scene.size() == Int64(size))
            _ = try scene.run(cut)
        }
        // In the middle of its work it does.
        let outcome = scene.commit { size in
            _ = try scene.run(cut)
            return [RowWrite(replacing: .logHead, Scene.head(size + 1))]
        }
        #expect(!outcome.isCommitted)
        #expect(throws: VaultError(.unavailable, "")) {
            try scene.store.reader.snapshot { database throws in
                _ = try database.count("SELECT 1")
                _ = try scene.run(cut)
                _ = try database.count("SELECT 1")
            }
        }
        #expect(try scene.size() == 3)
    }

    @Test func `what was prepared before a table changed is prepared again`() throws {
        let scene = try Scene()
        func rows() throws -> Int {
            try scene.store.reader.read { try $0.rows("SELECT * FROM jobs") { $0.integer(0) }.count }
        }
        #expect(try rows() == 0)
        _ = try scene.run("ALTER TABLE jobs ADD COLUMN extra bigint")
        #expect(try rows() == 0)
    }

    @Test func `a server that stopped and came back is found again`() throws {
        let cluster = try PostgresCluster()
        defer { cluster.end() }
        let scene = try Scene(in: cluster)
        #expect(scene.grow().isCommitted)
        try cluster.stop()
        #expect(scene.grow().failure?.code == .unavailable)
        #expect(throws: VaultError(.unavailable, "")) { try scene.size() }
        try cluster.start()
        #expect(scene.grow().isCommitted)
        #expect(try scene.size() == 2)
    }
}
