import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// The one row of `audit_head`: the tree as of the last commit.
struct LogHead: Sendable {
    var edge: RightEdge
    var root: Digest
    /// No later leaf carries an earlier time.
    var lastTime: VaultInstant
    /// C2SP signed note over the checkpoint.
    var note: String

    var size: Int64 { Int64(edge.size) }

    /// Whether the note is the signed checkpoint of exactly this tree.
    func isSigned(by key: NoteKey) -> Bool {
        guard let note = try? SignedNote.parse(Array(note.utf8)), note.isSigned(by: key) else { return false }
        return note.text == checkpoint(named: key.name).body
    }

    func checkpoint(named origin: String) -> Checkpoint {
        Checkpoint(origin: origin, size: edge.size, root: root)
    }

    /// Whether `last_time` is the time of the last leaf: nothing else vouches for it.
    func isTimed(_ database: Database) throws -> Bool {
        guard size > 0 else { return true }
        return try StoredLog(database).entry(size - 1)?.time == lastTime
    }

    /// The name of the log: each time the vault is restored it goes on under another.
    ///
    /// - Parameter incarnation: the first for a vault that was never restored.
    static func origin(of vault: VaultID, incarnation: Incarnation = .first) -> String {
        "tokenvault/\(vault)" + (incarnation == .first ? "" : "/\(incarnation.name)")
    }

    /// Which incarnation of this vault's log has that name; nil for another log.
    static func incarnation(named origin: String, of vault: VaultID) -> Incarnation? {
        let name = origin.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).first
        guard let incarnation = name.map({ Incarnation(name: $0) }) ?? .first,
            origin == self.origin(of: vault, incarnation: incarnation)
        else { return nil }
        return incarnation
    }
}

extension LogHead {
    /// - Throws: ``VaultError/Code/integrity`` when the stored root is not the one its edge gives.
    static func read(_ database: Database) throws -> LogHead {
        let head = try database.firstRow(
            "SELECT size, root, edge, last_time, note FROM audit_head WHERE id = 1"
        ) { cursor -> LogHead? in
            guard case .blob(let root) = cursor.value(1), case .blob(let edge) = cursor.value(2),
                case .text(let note) = cursor.value(4), let rootDigest = Digest(bytes: root),
                let size = UInt64(exactly: cursor.integer(0)),
                let rightEdge = RightEdge(size: size, bytes: edge),
                rightEdge.root == rootDigest
            else { return nil }
            return LogHead(
                edge: rightEdge, root: rootDigest,
                lastTime: VaultInstant(millisecondsSince1970: cursor.integer(3)),
                note: note)
        }
        guard let head = head ?? nil else {
            throw VaultError(
                .integrity, "The head of the audit log does not fit the log.",
                remedy: "Run 'tokenvault audit verify', then restore a backup.")
        }
        return head
    }

    func insert(_ database: Database) throws {
        try database.run("INSERT INTO audit_head VALUES (1, ?, ?, ?, ?, ?)", values)
    }

    func update(_ database: Database) throws {
        try database.run(
            "UPDATE audit_head SET size = ?, root = ?, edge = ?, last_time = ?, note = ? WHERE id = 1", values
        )
    }

    private var values: [SQLValue] {
        [.integer(size), .blob(root.bytes), .blob(edge.bytes), SQLValue(lastTime), .text(note)]
    }
}
