import Foundation
import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// Checks the whole log, and the whole database against it, in one snapshot.
///
/// 1. every leaf: its hash, its index, its time, its shape; the tiles and the root over all of them;
/// 2. the head: its note is signed by the log's key over exactly that tree;
/// 3. state equals log: the last leaf that names a row gives the hash the row has, and every live row is named;
/// 4. with the keys at hand: every row's tag, and every piece of personal data against its commitment.
struct AuditVerifier {
    private let database: Database
    private let key: NoteKey
    private let keyring: Keyring?
    private let progress: (Double) -> Void
    private var report = AuditReport()
    private var lastChanges: [RowName: RowState] = [:]
    private var commitments: [Int64: Commitment] = [:]
    /// Grants that expired before it may be gone: they are deleted without an entry of their own.
    private var firstKeptDay = Int64.min
    private var lastTime = VaultInstant(millisecondsSince1970: .min)

    /// What a leaf says of a row, kept small: one per live row of the vault.
    private struct RowState {
        let leaf: Int64
        let hash: Digest?
    }

    /// What a leaf says of the personal data that lies outside the tree.
    private struct Commitment {
        let hash: String
        /// Where the leaf names one owner, whose data it is.
        let owner: Int64?
    }

    private struct RowName: Hashable {
        let table: UInt16
        let id: Int64
    }

    /// - Parameter keyring: nil checks what needs no key but the log's public one.
    init(_ database: Database, key: NoteKey, keyring: Keyring?, progress: @escaping (Double) -> Void) {
        self.database = database
        self.key = key
        self.keyring = keyring
        self.progress = progress
    }

    consuming func verify() throws -> AuditReport {
        try readFirstKeptDay()
        let edge = try verifyLeaves()
        try verifyTiles(edge)
        try verifyHead(edge)
        for layout in TableLayout.tagged { try verifyRows(layout) }
        verifyMissingRows()
        if let keyring {
            try verifyPersonalData(keyring)
            do { _ = try VaultRow.read(database, rowKey: keyring.rows) } catch let error as VaultError {
                report.add("vault", error.message)
            }
        }
        progress(1)
        return report
    }

    private mutating func readFirstKeptDay() throws {
        let bytes = try database.firstRow("SELECT bytes FROM audit_leaves ORDER BY id DESC LIMIT 1") {
            $0.value(0)
        }
        guard case .blob(let leaf) = bytes, let entry = AuditLeaf.decode(leaf) else { return }
        let day: Int64 = 86_400_000
        firstKeptDay =
            entry.time.advanced(by: .zero - Limits.expiredGrantRetention).millisecondsSince1970 / day
    }

    // MARK: The log by itself

    private mutating func verifyLeaves() throws -> RightEdge {
        var edge = RightEdge()
        let total = max(1, try database.firstRow("SELECT count(*) FROM audit_leaves") { $0.integer(0) } ?? 1)
        var tiles: [Int64: Digest] = [:]
        try database.forEachRow("SELECT id, bytes, hash FROM audit_leaves ORDER BY id") { row in
            let index = row.integer(0)
            guard case .blob(let bytes) = row.value(1), case .blob(let stored) = row.value(2) else {
                report.add("entry \(index)", "is damaged")
                return true
            }
            if index != Int64(edge.size) { report.add("entry \(edge.size)", "is missing") }
            let hash = MerkleHash.leaf(bytes)
            if hash.bytes != stored { report.add("entry \(index)", "does not have the hash stored with it") }
            if let tile = edge.append(hash) { tiles[Int64(edge.size) / Int64(Limits.tileWidth) - 1] = tile }
            read(bytes, index)
            if edge.size.isMultiple(of: 4096) { progress(min(1, Double(edge.size) / Double(total)) * 0.7) }
            return true
        }
        expectedTiles = tiles
        report.size = Int64(edge.size)
        report.root = edge.root.description
        return edge
    }

    private var expectedTiles: [Int64: Digest] = [:]

    private mutating func read(_ bytes: [UInt8], _ index: Int64) {
        guard let entry = AuditLeaf.decode(bytes) else {
            return report.add("entry \(index)", "is not an entry of this format")
        }
        if entry.index != index { report.add("entry \(index)", "was written as entry \(entry.index)") }
        if entry.time < lastTime { report.add("entry \(index)", "is older than the one before it") }
        lastTime = max(lastTime, entry.time)
        if let hash = entry.personalCommitment {
            commitments[index] = Commitment(
                hash: hash, owner: entry.rows.first { $0.table == TableLayout.owners.number }?.id)
        }
        for change in entry.rows {
            let name = RowName(table: change.table, id: change.id)
            // Kept by the thousand million otherwise: every grant there ever was.
            if let day = change.expiresDay, day < firstKeptDay {
                lastChanges[name] = nil
                continue
            }
            lastChanges[name] = RowState(
                leaf: index, hash: change.hash.flatMap(Digest.init(bytes:)))
        }
    }

    private mutating func verifyTiles(_ edge: RightEdge) throws {
        var seen = 0
        try database.forEachRow("SELECT id, hash FROM audit_tiles ORDER BY id") { row in
            seen += 1
            let index = row.integer(0)
            if case .blob(let hash) = row.value(1), let expected = expectedTiles[index],
                expected.bytes == hash
            {
                return true
            }
            report.add("tile \(index)", "is not the hash of its entries")
            return true
        }
        if seen != expectedTiles.count { report.add("tiles", "are \(seen), not \(expectedTiles.count)") }
    }

    private mutating func verifyHead(_ edge: RightEdge) throws {
        let stored = try database.firstRow("SELECT size, root, note, last_time FROM audit_head WHERE id = 1")
        { row in
            (size: row.integer(0), root: row.value(1), note: row.value(2), time: row.integer(3))
        }
        guard let stored, case .text(let note) = stored.note else { return report.add("head", "is missing") }
        report.checkpointNote = note
        if stored.size != Int64(edge.size) {
            report.add("head", "speaks of \(stored.size) entries; there are \(edge.size)")
        }
        if stored.root != .blob(edge.root.bytes) {
            report.add("head", "has another root than the entries give")
        }
        if edge.size > 0, stored.time != lastTime.millisecondsSince1970 {
            report.add("head", "has another time than the last entry")
        }
        let head = LogHead(edge: edge, root: edge.root, lastTime: lastTime, note: note)
        if !head.isSigned(by: key) { report.add("head", "is not signed by the log's key over these entries") }
    }

    // MARK: State equals log

    private mutating func verifyRows(_ layout: TableLayout) throws {
        // A copy of an older vault lacks the newer tables; rows of a table that was dropped turn out to be missing.
        guard try database.tableExists(layout.name) else { return }
        try database.forEachRow(layout.selectSQL + " ORDER BY id") { cursor in
            report.rows += 1
            let stored = StoredRow(unchecked: cursor, layout)
            let place = "\(layout.name) \(stored.id)"
            let name = RowName(table: layout.number, id: stored.id)
            if let keyring, !stored.isTagged(by: keyring.rows) {
                report.add(place, "was changed from outside")
            }
            guard let last = lastChanges.removeValue(forKey: name) else {
                if try !isExpiredAndNamed(stored) { report.add(place, "is named by no entry") }
                return true
            }
            if last.hash == nil {
                report.add(place, "is there although entry \(last.leaf) deleted it")
            } else if last.hash != stored.hash || last.leaf != stored.leaf {
                report.add(place, "is not what entry \(last.leaf), the last that names it, says")
            }
            return true
        }
        progress(0.7 + 0.2 * Double(layout.number) / Double(TableLayout.tagged.count))
    }

    /// Whether the row is a grant that could be gone by now, and still is what the leaf it points to says.
    private func isExpiredAndNamed(_ stored: StoredRow) throws -> Bool {
        let bytes = try database.firstRow(
            "SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(stored.leaf)]
        ) {
            $0.value(0)
        }
        guard case .blob(let leaf) = bytes, let entry = AuditLeaf.decode(leaf) else { return false }
        return entry.rows.contains { change in
            change.table == stored.layout.number && change.id == stored.id && change.hash == stored.hash.bytes
                && (change.expiresDay ?? .max) < firstKeptDay
        }
    }

    /// What is named as living and is not there.
    private mutating func verifyMissingRows() {
        for (name, state) in lastChanges where state.hash != nil {
            let table = TableLayout.tagged.first { $0.number == name.table }?.name ?? "table \(name.table)"
            report.add("\(table) \(name.id)", "is missing; entry \(state.leaf) says it is there")
        }
        lastChanges = [:]
    }

    private mutating func verifyPersonalData(_ keyring: Keyring) throws {
        let registry = Registry()
        var records: [PersonalRecord] = []
        try database.forEachRow("SELECT id, owner_id, sealed FROM audit_personal ORDER BY id") { row in
            if let record = PersonalRecord(row) { records.append(record) }
            return true
        }
        for record in records {
            let place = "personal data of entry \(record.leaf)"
            let expected = commitments.removeValue(forKey: record.leaf)
            if let owner = expected?.owner, owner != record.owner.rawValue {
                report.add(place, "is filed under another owner")
                continue
            }
            do {
                guard let data = try record.open(database, keyring, registry) else { continue }
                if Hex.encode(SHA256.hash(data).bytes) != expected?.hash {
                    report.add(place, "is not what the entry commits to")
                }
            } catch let error as VaultError where error.code == .integrity {
                report.add(place, "does not open")
            }
        }
        for leaf in commitments.keys.sorted() { report.add("personal data of entry \(leaf)", "is missing") }
    }
}

extension Vault {
    /// Verifies the log, and every live row against it.
    ///
    /// Reads one snapshot on a connection of its own; writers and other readers go on meanwhile. Memory grows with the
    /// number of live rows, not of entries.
    ///
    /// - Parameter progress: called now and then with the share done, 0 to 1.
    public func verifyAudit(progress: @escaping @Sendable (Double) -> Void = { _ in }) async throws
        -> AuditReport
    {
        try await BlockingThread.result { [store, keys] in
            try store.withOwnReader { database in
                let keyring = try keys.keys(for: database).keyring
                return try AuditVerifier(database, key: keyring.signer.key, keyring: keyring, progress: progress)
                    .verify()
            }
        }
    }

    /// Verifies a copy of a vault without its keys: the log against its public key, and the rows against the log.
    ///
    /// Writes nothing. What needs keys (row tags, personal data) is not checked.
    ///
    /// - Parameter verifierKey: the log's C2SP vkey, kept by whoever checks; see ``logVerifierKey``.
    public static func inspect(_ path: String, verifierKey: String) async throws -> AuditReport {
        try await BlockingThread.result {
            let path = try VaultFile.resolve(path)
            try VaultFile.check(path)
            guard let key = NoteKey(vkey: verifierKey) else {
                throw VaultError(
                    .invalidInput, "That is not a verifier key.",
                    remedy: "It has the form tokenvault/<vault id>+<8 hex digits>+<base64>.")
            }
            ParkedDescriptors.storeOpens(path)
            defer { ParkedDescriptors.storeClosed(path) }
            return try ReaderConnections(path, count: 1).snapshot { database in
                try AuditVerifier(database, key: key, keyring: nil, progress: { _ in }).verify()
            }
        }
    }
}
