import PostgresStore
import TestSupport
import Testing
import VaultCore
import VaultStore

@Suite(.bounded) struct `Writes that go together leave what they leave one by one` {
    private static let insert =
        "INSERT INTO backups (id, backup_id, log_size, created_at, keep_until, leaf, row_tag) VALUES (?, ?, ?, ?, ?, ?, ?)"
    private static let update = "UPDATE backups SET log_size = ?, keep_until = ? WHERE id = ? AND leaf = ?"
    private static let tile = "INSERT INTO audit_tiles (id, hash) VALUES (?, ?)"
    private static let look =
        "SELECT (SELECT string_agg(b::text, ';' ORDER BY id) FROM backups b), (SELECT string_agg(t::text, ';' ORDER BY id) FROM audit_tiles t)"

    private static func inserted(_ id: Int64, keepUntil: SQLValue) -> RowWrite {
        let name = [UInt8](repeating: UInt8(truncatingIfNeeded: id), count: 16)
        return RowWrite(
            insert,
            [.integer(id), .blob(name), .integer(0), .integer(id << 40), keepUntil, .integer(id), .blob([])])
    }

    private static func updated(_ id: Int64, _ size: Int64, keepUntil: SQLValue) -> RowWrite {
        RowWrite(
            update, [.integer(size), keepUntil, .integer(id), .integer(id)], changing: (.backups, id))
    }

    /// Inserts, updates and deletes in an order that one by one succeeds.
    private static func sequence(of count: Int) -> [RowWrite] {
        var (ids, free) = ([Int64](), (1...100).map { Int64($0) })
        return (0..<count).map { step in
            let keepUntil: SQLValue = Bool.random() ? .null : .integer(.random(in: .min ... .max))
            switch Int.random(in: 0..<8) {
            case 0..<3 where !ids.isEmpty:
                return updated(ids[.random(in: ids.indices)], Int64(step), keepUntil: keepUntil)
            case 3 where !ids.isEmpty:
                // The next row gets its number.
                free.append(ids.remove(at: .random(in: ids.indices)))
                return RowWrite("DELETE FROM backups WHERE id = ?", [.integer(free[free.count - 1])])
            case 4, 5:
                return RowWrite(tile, [.integer(Int64(step)), .blob([UInt8](repeating: 7, count: 32))])
            default:
                ids.append(free.removeLast())
                return inserted(ids[ids.count - 1], keepUntil: keepUntil)
            }
        }
    }

    @Test(arguments: 0..<12) func `whatever their order`(_ round: Int) throws {
        let (together, oneByOne) = (try Scene(), try Scene())
        let writes = Self.sequence(of: 10 << (round % 4))
        let story = Comment(
            rawValue: writes.map { "\($0.sql.prefix(14)) \($0.values)" }.joined(separator: "\n"))
        #expect(together.commit { _ in writes }.isCommitted, story)
        for write in writes { #expect(oneByOne.commit { _ in [write] }.isCommitted, story) }
        #expect(try together.run(Self.look) == oneByOne.run(Self.look), story)
    }

    /// Each row knows which command of its transaction wrote it.
    @Test func `rows that are written in turn with others are one command's`() throws {
        let scene = try Scene()
        #expect(
            scene.commit { _ in
                (1...64).flatMap { id in
                    [
                        Self.inserted(id, keepUntil: .null),
                        RowWrite(Self.tile, [.integer(id), .blob([UInt8](repeating: 7, count: 32))]),
                    ]
                }
            }.isCommitted)
        let commands = "SELECT count(DISTINCT cmin::text), count(*) FROM"
        #expect(try scene.run("\(commands) backups") == "1|64")
        #expect(try scene.run("\(commands) audit_tiles") == "1|64")
        #expect(
            scene.commit { _ in
                (1...64).map { Self.updated($0, $0, keepUntil: $0 % 2 == 0 ? .null : .integer($0)) }
            }.isCommitted)
        #expect(try scene.run("\(commands) backups WHERE log_size = id") == "1|64")
    }

    @Test func `one row of many that is not there, or is not as expected, undoes all`() throws {
        let scene = try Scene()
        let rows = (1...5).map { Self.inserted($0, keepUntil: .null) }
        #expect(scene.commit { _ in rows }.isCommitted)
        let before = try scene.run(Self.look)
        let changed = RowWrite(
            Self.update, [.integer(1), .null, .integer(3), .integer(99)], changing: (.backups, 3))
        for missing in [Self.updated(6, 1, keepUntil: .null), changed] {
            let outcome = scene.commit { _ in
                [1, 2].map { Self.updated($0, 1, keepUntil: .null) } + [missing]
            }
            guard case .notApplied = outcome else { Issue.record("\(outcome)"); return }
            #expect(try scene.run(Self.look) == before)
        }
    }

    @Test func `rows that are asked for together come in the order of the questions`() throws {
        let scene = try Scene()
        #expect(scene.commit { _ in (1...3).map { Self.inserted($0, keepUntil: .null) } }.isCommitted)
        var found: [[Int64]] = []
        _ = scene.store.commit(
            waiting: {},
            { transaction in
                try transaction.ask(
                    [
                        StoreQuestion(row: .backups, 3), StoreQuestion("SELECT 7 UNION ALL SELECT 8"),
                        StoreQuestion(row: .backups, 4), StoreQuestion(row: .backups, 1),
                        StoreQuestion(row: .backups, 3), StoreQuestion(row: .owners, 1),
                    ]
                ) { found.append([Int64($0), $1.integer(0)]) }
                return nil
            }, durable: { _ in })
        #expect(found == [[0, 3], [1, 7], [1, 8], [3, 1], [4, 3]])
    }
}
