package import MerkleLog
package import VaultCore
package import VaultCrypto
package import VaultStore

/// The one row of `audit_head`: the tree as of the last commit.
package struct LogHead: Sendable {
    package var edge: RightEdge
    package var root: Digest
    /// No later leaf carries an earlier time.
    package var lastTime: VaultInstant
    /// C2SP signed note over the checkpoint.
    package var note: String
    /// The hash of the last leaf, where that was seen.
    var lastLeaf: Digest?

    package var size: Int64 { Int64(edge.size) }

    /// Whether the note is the signed checkpoint of exactly this tree.
    package func isSigned(by key: NoteKey) -> Bool {
        guard let note = try? SignedNote.parse(Array(note.utf8)), note.isSigned(by: key) else { return false }
        return note.text == checkpoint(named: key.name).body
    }

    package func checkpoint(named origin: String) -> Checkpoint {
        Checkpoint(origin: origin, size: edge.size, root: root)
    }

    /// Whether `last_time` is the time of the last leaf: nothing else vouches for it.
    package func isTimed(_ database: Database) throws -> Bool {
        try size == 0 || StoredLog(database).entry(size - 1)?.time == lastTime
    }

    /// The name of the log, which changes with each restore.
    ///
    /// - Parameter incarnation: the first for a vault that was never restored.
    package static func origin(of vault: VaultID, incarnation: Incarnation = .first) -> String {
        "tokenvault/\(vault)" + (incarnation == .first ? "" : "/\(incarnation.name)")
    }

    /// Which incarnation of this vault's log has that name; nil for another log.
    package static func incarnation(named origin: String, of vault: VaultID) -> Incarnation? {
        let name = origin.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).first
        guard let incarnation = name.map({ Incarnation(name: $0) }) ?? .first,
            origin == self.origin(of: vault, incarnation: incarnation)
        else { return nil }
        return incarnation
    }
}

extension LogHead {
    /// - Throws: ``VaultError/Code/integrity`` when the stored root is not the one its edge gives.
    package static func read(_ database: Database) throws -> LogHead {
        guard let head = try database.firstRow(question.sql, [], LogHead.init) else { throw misfit }
        return head
    }

    static let question = StoreQuestion(
        "SELECT size, root, edge, last_time, note FROM audit_head WHERE id = 1")

    /// The row that ``question`` asks for.
    init(_ cursor: RowCursor) throws {
        guard case .blob(let root) = cursor.value(1), case .blob(let edge) = cursor.value(2),
            case .text(let note) = cursor.value(4), let rootDigest = Digest(bytes: root),
            let size = UInt64(exactly: cursor.integer(0)),
            let rightEdge = RightEdge(size: size, bytes: edge),
            rightEdge.root == rootDigest
        else { throw Self.misfit }
        self.init(
            edge: rightEdge, root: rootDigest,
            lastTime: VaultInstant(millisecondsSince1970: cursor.integer(3)), note: note)
    }

    static let misfit = VaultError(
        .integrity, "The head of the audit log does not fit the log.",
        remedy: "Verify the audit log, then restore a backup.")

    var insert: RowWrite { RowWrite(making: .logHead, values) }

    var update: RowWrite { RowWrite(replacing: .logHead, values) }

    private var values: [SQLValue] {
        [.integer(size), .blob(root.bytes), .blob(edge.bytes), SQLValue(lastTime), .text(note)]
    }
}

extension StoredLog {
    /// The entry with this index; nil where it is not there, or cannot be read.
    package func entry(_ index: Int64) throws -> AuditEntry? { try leaf(index).flatMap(AuditLeaf.decode) }

    package static func unreadable(_ index: Int64) -> VaultError {
        VaultError(
            .integrity, "Entry \(index) of the log cannot be read.", remedy: "Verify the audit log.")
    }
}

extension Vault {
    /// Returns the number of entries of the log.
    public func auditSize() async throws -> Int64 {
        try await read { try LogHead.read($0).size }
    }
}
