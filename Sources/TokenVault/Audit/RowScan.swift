import VaultCore
import VaultCrypto
import VaultStore

/// One pass over the rows: what each of them is now, for comparison with what the log says. Needs nothing of
/// the log, and so can be made beside the pass over the leaves.
struct RowScan: Sendable {
    private(set) var tables: [(layout: TableLayout, rows: [RowReader.Row])] = []
    /// Empty without keys.
    private(set) var personal: [PersonalFact] = []

    /// - Parameter keyring: nil leaves out what needs keys.
    init(_ database: Database, _ keyring: Keyring?) throws {
        for layout in TableLayout.tagged {
            // A copy of an older vault lacks the newer tables; rows of a table that was dropped turn out to be missing.
            guard try database.hasTable(layout.name) else { continue }
            var reader = RowReader(layout, keyring?.rows)
            let rows = try database.rows(layout.selectSQL + " ORDER BY id") { reader.read($0) }
            tables.append((layout, rows))
        }
        if let keyring { personal = try PersonalFact.read(database, keyring, from: .min) }
    }
}

/// Reads rows for their hash and their tag, in one buffer, without making values of their columns.
struct RowReader {
    struct Row: Sendable {
        let id, leaf: Int64
        let hash: Digest
        /// Nil: no key to tell with, or none of the row's role.
        let isTagged: Bool?
    }

    private let layout: TableLayout
    private let rowKey: RowTags?
    private var bytes: [UInt8] = []

    init(_ layout: TableLayout, _ rowKey: RowTags?) {
        self.layout = layout
        self.rowKey = rowKey
        bytes.reserveCapacity(4096)
    }

    /// The row a `selectSQL` query stands on.
    mutating func read(_ cursor: RowCursor) -> Row {
        let count = layout.columns.count
        let id = cursor.integer(0)
        let leaf = cursor.integer(1 + count)
        bytes.removeAll(keepingCapacity: true)
        let hashed = layout.appendCanonical(id: id, leaf: leaf, to: &bytes) { index, number, bytes in
            cursor.append(1 + index, number: number, to: &bytes)
        }
        let hash = bytes.withUnsafeBytes { SHA256.hash(raw: UnsafeRawBufferPointer(rebasing: $0[..<hashed])) }
        // Rows of a role whose keys are not held are judged by their hash alone.
        let key = try? rowKey?.key(of: layout) { cursor.value(1 + $0) }
        let isTagged = key.map { key in
            cursor.withBlob(2 + count) { stored in
                stored.map { key.isTag(Array($0), of: bytes) } ?? false
            }
        }
        return Row(id: id, leaf: leaf, hash: hash, isTagged: isTagged)
    }
}

/// A pass over the rows on a thread and a connection of its own, of the same snapshot as the pass over the
/// leaves. SQLite cannot be asked for a second reader of a snapshot, so both begin one and compare what every
/// write changes: where someone wrote in between, the rows are read after the leaves instead.
struct RowScanBeside {
    private let mark = Handoff<Result<Mark, any Error>>()
    private let isWanted = Handoff<Bool>()
    /// Comes when the connection is closed again; nil where the rows were not wanted.
    private let rows = Handoff<Result<RowScan?, any Error>>()

    /// Begins the other snapshot.
    init(_ store: any VaultStore, _ keyring: Keyring) {
        BlockingThread.run { [mark, isWanted, rows] in
            do {
                let scan = try store.withOwnReader { database in
                    mark.put(.success(try Self.mark(of: database)))
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
        let isSame = (try? other.get() == Self.mark(of: database)) ?? false
        isWanted.put(isSame)
        guard isSame else {
            _ = rows.take()
            return { try RowScan(database, keyring) }
        }
        return { [rows] in try rows.take().get() ?? RowScan(database, keyring) }
    }

    /// What tells two snapshots apart as far as verifying goes: the head of the log, and where it begins.
    private typealias Mark = (note: String?, first: Int64?)

    private static func mark(of database: Database) throws -> Mark {
        (
            try database.rows("SELECT note FROM audit_head WHERE id = 1") { $0.text(0) }.first,
            try database.integer("SELECT id FROM audit_leaves ORDER BY id LIMIT 1")
        )
    }
}
