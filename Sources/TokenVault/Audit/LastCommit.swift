import MerkleLog
import VaultCore
import VaultCrypto
import VaultStore

/// What a database shows of the last commit: the vault row, the head of the log, and what proves which entry is the last.
struct LastCommit {
    private var vault: VaultRow.Tagged?
    private var head: LogHead?
    /// Of the leaves below the last subtree of the head's edge, the last tile at most.
    private var hashes: [Digest] = []
    /// The last leaf.
    private var bytes: [UInt8]?

    /// To be asked as of one moment, see ``take(_:_:)``.
    static let questions = [VaultRow.question, LogHead.question, leaves]

    private static let leaves: StoreQuestion = {
        // By the newest leaf, not by the size in the head, whose versions a server may find slowly.
        func newest(_ value: String) -> String {
            "(SELECT \(value) FROM audit_leaves ORDER BY id DESC LIMIT 1)"
        }
        let (size, width) = ("(id + 1)", Limits.tileWidth)
        let first = "\(size) - CASE WHEN \(size) % \(width) = 0 THEN \(width) ELSE \(size) & -\(size) END"
        return StoreQuestion(
            "SELECT hash, CASE WHEN id = \(newest("id")) THEN bytes END FROM audit_leaves "
                + "WHERE id >= \(newest(first)) ORDER BY id LIMIT \(width)")
    }()

    init() {}

    init(_ database: Database) throws { try database.ask(Self.questions) { try take($0, $1) } }

    /// Takes a row that answers one of the questions.
    mutating func take(_ question: Int, _ row: RowCursor) throws {
        switch question {
        case 0: vault = try VaultRow.Tagged(row)
        case 1: head = try LogHead(row)
        default:
            bytes = row.withBlob(1) { $0.map { Array($0) } }
            hashes.append(
                bytes.map(MerkleHash.leaf) ?? row.withBlob(0) { $0.flatMap(Digest.init(stored:)) } ?? .zero)
        }
    }

    /// - Throws: ``VaultError/Code/integrity`` where one is not there.
    var rows: (vault: VaultRow.Tagged, head: LogHead) {
        get throws {
            guard let vault else { throw VaultRow.damaged }
            guard var head else { throw LogHead.misfit }
            head.lastLeaf = bytes.flatMap { _ in hashes.last }
            return (vault, head)
        }
    }

    /// The last entry; nil where it is not the one that the tree has there.
    func entry(_ database: Database) throws -> AuditEntry? {
        guard let bytes, try rows.head.edge.ends(with: hashes, after: StoredLog(database).tileHashes)
        else { return nil }
        return AuditLeaf.decode(bytes)
    }

    /// As ``LogHead/isTimed(_:)``.
    func isTimed(_ database: Database) throws -> Bool {
        guard let bytes else { return try rows.head.isTimed(database) }
        return try AuditLeaf.decode(bytes)?.time == rows.head.lastTime
    }
}
