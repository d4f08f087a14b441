import GRDB
import VaultCore

/// A pass over the rows on a thread and a connection of its own, of the same snapshot as the pass over the
/// leaves. SQLite cannot be asked for a second reader of a snapshot, so both begin one and compare what every
/// write changes: where somebody wrote in between, the rows are read after the leaves instead.
struct RowScanBeside {
    private let mark = Handoff<Result<SnapshotMark, any Error>>()
    private let isWanted = Handoff<Bool>()
    /// Comes when the connection is closed again; nil where the rows were not wanted.
    private let rows = Handoff<Result<RowScan?, any Error>>()

    /// Begins the other snapshot.
    init(_ store: Store, _ keyring: Keyring) {
        BlockingThread.run { [mark, isWanted, rows] in
            do {
                let scan = try store.withOwnReader { database in
                    mark.put(.success(try SnapshotMark(database)))
                    return isWanted.take() ? try RowScan(database, keyring) : nil
                }
                rows.put(.success(scan))
            } catch {
                mark.put(.failure(error))
                rows.put(.failure(error))
            }
        }
    }

    /// The rows as they are in the snapshot of `database`, which was not read yet.
    func source(_ database: Database, _ keyring: Keyring) throws -> () throws -> RowScan {
        let other = mark.take()
        let isSame = (try? other.get()).flatMap { other in (try? SnapshotMark(database)) == other } ?? false
        isWanted.put(isSame)
        guard isSame else {
            _ = rows.take()
            return { try RowScan(database, keyring) }
        }
        return { [rows] in try rows.take().get() ?? RowScan(database, keyring) }
    }
}

/// What tells two snapshots apart as far as verifying goes: the head of the log, and where it begins.
private struct SnapshotMark: Equatable, Sendable {
    let note: String?
    let first: Int64?

    init(_ database: Database) throws {
        note =
            try database.firstRow("SELECT note FROM audit_head WHERE id = 1") { row in
                if case .text(let note) = row.value(0) { note } else { String?.none }
            } ?? nil
        first = try database.firstRow("SELECT id FROM audit_leaves ORDER BY id LIMIT 1") { $0.integer(0) }
    }
}
