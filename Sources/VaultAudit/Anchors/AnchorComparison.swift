import Logging
import MerkleLog
import TokenVault
import VaultCore
import VaultStore

/// The log, compared with a file anchor.
struct AnchorComparison {
    /// What is wrong with the database; nil when nothing is.
    private(set) var problem: String?
    /// What is no damage, and worth knowing.
    private(set) var note: String?
    /// The reason why nothing may be published to the anchor before an operator acted; nil if it may.
    private(set) var trouble: AnchorTrouble?

    init(_ anchor: AnchorRow, _ reading: AnchorReading, _ database: Database, _ keyring: Keyring) throws {
        let name = "anchor \(anchor.id) (\(anchor.target))"
        switch reading {
        case .missing:
            note = "The file of \(name) is missing: a cut or older database would not be found by it."
        case .unreadable(let why):
            note = "The file of \(name) is unusable. \(why)"
            trouble = AnchorTrouble("damaged")
        case .note(let note, let told): try judge(note, told, name, database, keyring)
        }
    }

    init(
        of note: SignedNote, _ told: Checkpoint, keptBy name: String, _ database: Database, _ keyring: Keyring
    ) throws {
        try judge(note, told, name, database, keyring)
    }

    private mutating func judge(
        _ note: SignedNote, _ told: Checkpoint, _ name: String, _ database: Database, _ keyring: Keyring
    ) throws {
        guard let life = LogHead.incarnation(named: told.origin, of: keyring.vault) else {
            return object(
                "foreign", "\(name) has the checkpoint of another log: files or anchors were exchanged")
        }
        let head = try LogHead.read(database)
        let size = Int64(clamping: told.size)
        let said = "\(name) was told of \(size) entries"
        let another = "\(said) that this log does not begin with: another history"
        let behind = "\(said), the log has \(head.size): an older copy is in place of the newest"
        let newest = try database.newestIncarnation()
        // Of a later life than the database knows.
        guard life.number <= newest.number else { return object("behind", behind) }
        if life != newest {
            guard let parent = try database.incarnation(after: life, keyring) else {
                return object("differs", another)
            }
            // Of entries that the backup did not have.
            guard size <= parent.parentSize else {
                return object(
                    "differs", "\(said) before the vault was restored from a backup with \(parent.parentSize)"
                )
            }
        }
        guard size <= head.size else { return object("behind", behind) }
        let log = StoredLog(database)
        guard try log.keeps(prefix: size) else {
            self.note = "The log keeps nothing to compare the \(size) entries of \(name) with."
            return
        }
        let key = keyring.signer.key
        let newer = head.checkpoint(named: key.name)
        guard try log.shows(Checkpoint(origin: key.name, size: told.size, root: told.root), before: newer)
        else { return object("differs", another) }
        let named = NoteKey(name: told.origin, publicKey: key.publicKey)
        if !(named.map { note.isSigned(by: $0) } ?? false) {
            self.note =
                "The \(size) entries of \(name) are the log's; the key that signed them is not its present one."
        }
    }

    private mutating func object(_ word: String, _ problem: String) {
        self.problem = problem
        trouble = AnchorTrouble(word)
    }
}

extension AnchorComparison {
    /// Notes are written after the commit they speak of: a snapshot that begins after this has all that is in them.
    static func readings(_ store: any VaultStore, _ keys: LiveKeys) throws -> [(AnchorRow, AnchorReading)] {
        let anchors = try store.reader.snapshot { database in
            guard try database.hasAnchors(.file) else { return [AnchorRow]() }
            return try database.anchors(keys.keys(for: database).keyring).filter { $0.kind == .file }
        }
        return anchors.map { ($0, AnchorReading($0.target)) }
    }
}
