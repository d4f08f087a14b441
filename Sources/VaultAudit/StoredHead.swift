import MerkleLog
import VaultCore
import VaultCrypto
import VaultStore

/// The row of `audit_head`, and what of it the log's key vouches for.
struct StoredHead {
    var size: Int64 = 0
    var root: Digest?
    var note = ""
    var lastTime = VaultInstant(millisecondsSince1970: .min)
    /// What the note says, where the log's key signed it.
    var signedRoot: Digest?
    /// The stored edge, where it folds to that root.
    var signedEdge: RightEdge?
    private(set) var findings: [AuditFinding] = []

    init(_ database: Database, _ key: NoteKey) throws {
        let row = try database.firstRow(
            "SELECT size, root, edge, last_time, note FROM audit_head WHERE id = 1"
        ) { row in
            (row.integer(0), row.value(1), row.value(2), row.integer(3), row.value(4))
        }
        guard let (size, root, edge, time, text) = row, case .text(let note) = text else {
            add("is missing")
            return
        }
        self.note = note
        lastTime = VaultInstant(millisecondsSince1970: time)
        self.size = max(0, size)
        if case .blob(let bytes) = root { self.root = Digest(bytes: bytes) }
        guard let signed = try? Checkpoint.read(Array(note.utf8), signedBy: key) else {
            add("is not signed by the log's key over these entries")
            return
        }
        signedRoot = signed.root
        if let signedSize = Int64(exactly: signed.size), signedSize != size || signed.root != self.root {
            add("does not say what its signed note says: \(signedSize) entries")
            self.size = signedSize
            self.root = signed.root
        }
        if case .blob(let bytes) = edge, let known = RightEdge(size: signed.size, bytes: bytes),
            known.root == signed.root
        {
            signedEdge = known
        } else {
            add("does not have the edge of its tree")
        }
    }

    private mutating func add(_ problem: String) {
        findings.append(AuditFinding(place: "head", problem: problem))
    }
}
