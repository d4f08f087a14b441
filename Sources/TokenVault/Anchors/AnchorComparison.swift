import GRDB
import Logging
import MerkleLog
import VaultCore

/// The log against what a file anchor was told.
struct AnchorComparison {
    enum Verdict: Equatable {
        /// The log begins with what the anchor was told. Not signed by the log's present key: told before that was rotated.
        case agrees(Int64, isSigned: Bool)
        case missing
        case unreadable(String)
        /// Told so long ago that pruning kept nothing to compare with.
        case pruned(Int64)
        case otherLog
        /// The database has fewer entries, or is of an earlier incarnation.
        case behind(Int64, database: Int64)
        case differs(Int64)
        /// Told before a restore, of entries that the backup did not have.
        case givenUp(Int64, parent: Int64)
    }

    let anchor: AnchorRow
    let verdict: Verdict

    init(_ anchor: AnchorRow, _ reading: AnchorReading, _ database: Database, _ keyring: Keyring) throws {
        self.anchor = anchor
        verdict =
            switch reading {
            case .missing: .missing
            case .unreadable(let why): .unreadable(why)
            case .note(let note, let told): try Self.judge(note, told, database, keyring)
            }
    }

    private static func judge(
        _ note: SignedNote, _ told: Checkpoint, _ database: Database, _ keyring: Keyring
    ) throws -> Verdict {
        guard let life = LogHead.incarnation(named: told.origin, of: keyring.vault) else { return .otherLog }
        let head = try LogHead.read(database)
        let size = Int64(clamping: told.size)
        let newest = try database.newestIncarnation()
        guard life.number <= newest.number else { return .behind(size, database: head.size) }
        if life != newest {
            guard let parent = try database.incarnation(after: life, keyring) else { return .differs(size) }
            guard size <= parent.parentSize else { return .givenUp(size, parent: parent.parentSize) }
        }
        guard size <= head.size else { return .behind(size, database: head.size) }
        let log = StoredLog(database)
        guard try log.keeps(prefix: size) else { return .pruned(size) }
        let key = keyring.signer.key
        let newer = Checkpoint(origin: key.name, size: head.edge.size, root: head.root)
        guard try isBeginning(Checkpoint(origin: key.name, size: told.size, root: told.root), of: newer, log)
        else { return .differs(size) }
        let named = NoteKey(name: told.origin, publicKey: key.publicKey)
        return .agrees(size, isSigned: named.map { note.isSigned(by: $0) } ?? false)
    }

    /// Shown against the signed root, so that stored hashes need not be believed.
    private static func isBeginning(_ old: Checkpoint, of new: Checkpoint, _ log: StoredLog) throws -> Bool {
        guard old.size < new.size else { return old.root == new.root }
        do {
            let hashes = try MerkleProof.consistency(from: old.size, to: new.size, hashes: log.subtrees)
            return ProofText(.consistency(old: old.size), hashes: hashes, note: "")
                .proves(extensionOf: old, by: new)
        } catch let error as VaultError where error.code == .integrity { return false }
    }

    // MARK: In words

    private var name: String { "anchor \(anchor.id) (\(anchor.target))" }

    /// What is wrong with the database; nil when nothing is.
    var problem: String? {
        switch verdict {
        case .agrees, .missing, .unreadable, .pruned: nil
        case .otherLog: "\(name) has the checkpoint of another log: files or anchors were exchanged"
        case .behind(let told, let size):
            "\(name) was told of \(told) entries, the log has \(size): an older copy is in place of the newest"
        case .differs(let told):
            "\(name) was told of \(told) entries that this log does not begin with: another history"
        case .givenUp(let told, let parent):
            "\(name) was told of \(told) entries before the vault was restored from a backup with \(parent)"
        }
    }

    /// What is no damage, and worth knowing.
    var note: String? {
        switch verdict {
        case .missing: "The file of \(name) is missing: a cut or older database would not be found by it."
        case .unreadable(let why): "The file of \(name) tells nothing. \(why)"
        case .pruned(let told): "The log keeps nothing to compare the \(told) entries of \(name) with."
        case .agrees(let told, isSigned: false):
            "The \(told) entries of \(name) are the log's; the key that signed them is not its present one."
        default: nil
        }
    }

    var refusal: VaultError? {
        problem.map { problem in
            VaultError(
                .integrity, "The database is not the newest of this vault: \(problem).",
                remedy:
                    "Put the newest file back. To go on with this one all the same: --ignore-anchors, and docs/audit-log.md."
            )
        }
    }

    /// Why the anchor must not be told anything before somebody looked; nil when it may.
    var trouble: AnchorTrouble? {
        switch verdict {
        case .agrees, .missing, .pruned: nil
        case .unreadable: AnchorTrouble("damaged")
        case .otherLog: AnchorTrouble("foreign")
        case .behind: AnchorTrouble("behind")
        case .differs, .givenUp: AnchorTrouble("differs")
        }
    }
}

extension AnchorComparison {
    /// A file anchor and what it holds, read before the log is looked at.
    struct Read {
        let anchor: AnchorRow
        let reading: AnchorReading

        func comparison(with database: Database, _ keyring: Keyring) -> Result<AnchorComparison, VaultError> {
            Result { try AnchorComparison(anchor, reading, database, keyring) }
                .mapError { StorageFailure.translate($0) }
        }
    }

    /// Notes are written after the commit they speak of: a snapshot that begins after this has all that is in them.
    static func readings(_ store: Store, _ keys: LiveKeys) throws -> [Read] {
        let anchors = try store.readers().snapshot { database in
            guard try database.hasAnchors(.file) else { return [AnchorRow]() }
            return try database.anchors(keys.keys(for: database).keyring).filter { $0.kind == .file }
        }
        return anchors.map { Read(anchor: $0, reading: AnchorReading($0.target)) }
    }

    /// For opening.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when the log lies behind or beside what an anchor was told.
    static func requireAgreement(_ opened: OpenedStore, _ logger: Logger) throws {
        let readings = try readings(opened.store, opened.keys)
        guard !readings.isEmpty else { return }
        try opened.store.readers().snapshot { database in
            let keyring = try opened.keys.keys(for: database).keyring
            for reading in readings {
                let comparison = try reading.comparison(with: database, keyring).get()
                if let refusal = comparison.refusal { throw refusal }
                if let note = comparison.note { logger.warning("\(note)") }
            }
        }
    }
}

extension AuditReport {
    mutating func add(_ comparison: Result<AnchorComparison, VaultError>) {
        switch comparison {
        case .failure(let error): add("anchors", error.message)
        case .success(let comparison):
            if let problem = comparison.problem { add("anchors", problem) }
            if let note = comparison.note { notes.append(note) }
        }
    }
}
