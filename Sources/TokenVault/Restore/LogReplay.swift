import MerkleLog
import VaultCore
import VaultCrypto

/// What the entries after a backup say became of its rows. Leaves name rows by a hash, so what a row is now
/// is not known; that it moved on, and by which deed, is.
struct LogReplay {
    struct RowName: Hashable {
        let table: UInt16
        let id: Int64
    }

    struct Fate {
        var isGone = false
        /// The last deed, and its reason.
        var operation = ""
        var reason: String?
        var generation: Int64?
        var changes: Int64 = 0
        /// Connections: given up, and not connected anew since.
        var isRevoked = false
        /// Clients: something else changed than whether they are enabled.
        var isRewritten = false
    }

    /// A user or a client, as far as deeds since tell.
    struct OwnerFate {
        var state: OwnerState?
        var isErased = false
        /// How often every grant was revoked at once.
        var revocations: Int64 = 0
        /// The deed that ended every grant there was.
        var ended: String?
        /// A deed that this version cannot repeat.
        var isUnclear = false
    }

    private(set) var rows: [RowName: Fate] = [:]
    private(set) var owners: [Int64: OwnerFate] = [:]
    /// The largest id of each table that was named.
    private(set) var largest: [UInt16: Int64] = [:]
    /// Kinds of keys that were rotated.
    private(set) var rotations: Set<String> = []
    /// A deep rotation puts new keyslots in the place of the old ones: which each stands for.
    private var slotOrigins: [Int64: Int64] = [:]
    /// Of the tree over the backup's entries and those after them.
    private(set) var edge: RightEdge
    let first: Int64
    /// Size at which the root is kept.
    private let watched: UInt64?
    private(set) var watchedRoot: Digest?
    /// That began after the backup.
    private(set) var lives: [Life] = []

    /// A life of the vault, and the entry that began it.
    struct Life {
        let id: Int64
        let entry: Int64
    }

    /// - Parameter edge: of the backup's own log.
    init(after edge: RightEdge, watching size: UInt64? = nil) {
        self.edge = edge
        first = Int64(edge.size)
        watched = size
    }

    mutating func add(_ index: Int64, _ bytes: [UInt8]) throws {
        guard index == Int64(edge.size) else { throw LaterLog.missing(Int64(edge.size)) }
        guard let entry = AuditLeaf.decode(bytes), entry.index == index else {
            throw LaterLog.unproven("Entry \(index) cannot be read.")
        }
        _ = edge.append(MerkleHash.leaf(bytes))
        if edge.size == watched { watchedRoot = edge.root }
        for change in entry.rows {
            largest[change.table] = max(largest[change.table] ?? 0, change.id)
            if entry.operation == AuditOperation.vaultRestore.rawValue,
                change.table == TableLayout.incarnations.number
            {
                lives.append(Life(id: change.id, entry: index))
            }
        }
        // Rows that were named anew before a pruning, or written under other keys, say what they said.
        guard entry.operation != AuditOperation.auditCarry.rawValue else { return }
        guard !entry.operation.hasPrefix("key.") else { return note(rotation: entry) }
        for change in entry.rows {
            // What a refresh notes of its provider changes neither entry nor credentials.
            if change.table == TableLayout.providers.number, !entry.operation.hasPrefix("provider.") {
                continue
            }
            if change.table == TableLayout.owners.number { note(entry, owner: change.id) }
            let row = name(of: change)
            var fate = rows[row] ?? Fate()
            fate.isGone = change.hash == nil
            fate.operation = entry.operation
            fate.reason = entry.reason
            fate.changes += 1
            if entry.grant == change.id { fate.generation = entry.generation }
            if change.table == TableLayout.connections.number {
                if entry.operation == AuditOperation.connectionRevoke.rawValue { fate.isRevoked = true }
                if entry.operation == AuditOperation.connectionAdd.rawValue { fate.isRevoked = false }
            }
            if !["enabled", "disabled"].contains(entry.reason) { fate.isRewritten = true }
            rows[row] = fate
        }
    }

    /// Keyslots are followed through deep rotations: what befalls a new one befalls the one whose place it took.
    private func name(of change: RowChange) -> RowName {
        let isSlot = [TableLayout.keyslots.number, TableLayout.keyslotDetails.number].contains(change.table)
        return RowName(table: change.table, id: (isSlot ? slotOrigins[change.id] : nil) ?? change.id)
    }

    private mutating func note(rotation entry: AuditEntry) {
        guard entry.operation == AuditOperation.keyRotate.rawValue else { return }
        let kind = entry.reason?.split(separator: "-").first.map(String.init) ?? ""
        if kind != "unused" { rotations.insert(kind) }
        var replaced: Int64?
        for change in entry.rows where change.table == TableLayout.keyslots.number {
            if change.hash == nil {
                replaced = slotOrigins[change.id] ?? change.id
            } else if let origin = replaced {
                slotOrigins[change.id] = origin
                replaced = nil
            }
        }
    }

    subscript(layout: TableLayout, id: Int64) -> Fate? { rows[RowName(table: layout.number, id: id)] }

    /// Ids of the rows of a table that were named.
    func ids(of layout: TableLayout) -> [Int64] {
        rows.keys.filter { $0.table == layout.number }.map(\.id).sorted()
    }

    private mutating func note(_ entry: AuditEntry, owner id: Int64) {
        var fate = owners[id] ?? OwnerFate()
        switch (entry.operation, entry.reason) {
        case ("user.remove", _), ("client.remove", _):
            fate.state = .removed
            fate.revocations += 1
        case ("user.erase", _):
            fate.state = .removed
            fate.isErased = true
            fate.revocations += 1
        case (_, "enabled"): fate.state = .active
        case (_, "disabled"): fate.state = .disabled
        case (_, "grants_revoked"): fate.revocations += 1
        case ("user.add", _), ("client.add", _): break
        default: fate.isUnclear = true
        }
        if fate.revocations > 0, fate.ended == nil { fate.ended = entry.operation }
        owners[id] = fate
    }
}

extension LogReplay {
    /// Reads a log's entries after the backup and proves them: the tree over the backup's entries and these is the one of
    /// a checkpoint that the vault signed.
    ///
    /// - Parameters:
    ///   - publicKeys: that may have signed it.
    ///   - watched: a size at which to keep the root.
    /// - Returns: nil where the log is a checkpoint only, and of a longer log.
    static func proven(
        _ log: LaterLog, after edge: RightEdge, vault: VaultID, publicKeys: [[UInt8]],
        watching watched: UInt64? = nil
    ) throws -> (replay: LogReplay?, checkpoint: Checkpoint) {
        let checkpoint = try check(log.note, vault, publicKeys)
        guard checkpoint.size >= edge.size else {
            throw VaultError(
                .invalidInput,
                "The log given has \(checkpoint.size) entries, the backup \(edge.size): it tells nothing newer.",
                remedy: "Give a newer log, or none: every grant is revoked then.")
        }
        var replay = LogReplay(after: edge, watching: watched)
        if let entries = log.entries {
            try entries(Int64(edge.size)) { index, bytes in
                // What lies past the checkpoint is proven by nothing.
                if index < Int64(checkpoint.size) { try replay.add(index, bytes) }
            }
            guard replay.edge.size == checkpoint.size else {
                throw LaterLog.unproven("It ends at entry \(replay.edge.size) of \(checkpoint.size).")
            }
        } else if checkpoint.size != edge.size {
            return (nil, checkpoint)
        }
        guard replay.edge.root == checkpoint.root else {
            throw LaterLog.unproven(
                "It does not go on from the backup: one of them was changed, or restored since.")
        }
        return (replay, checkpoint)
    }

    static func check(_ text: String, _ vault: VaultID, _ publicKeys: [[UInt8]]) throws -> Checkpoint {
        guard let note = try? SignedNote.parse(Array(text.utf8)),
            let checkpoint = Checkpoint(parsing: note.text)
        else { throw LaterLog.unproven("Its checkpoint cannot be read.") }
        let name = LogHead.origin(of: vault)
        guard checkpoint.origin == name || checkpoint.origin.hasPrefix(name + "/") else {
            throw VaultError(
                .invalidInput, "The log given is of another vault: \(checkpoint.origin).",
                remedy: "Give the log of vault \(vault).")
        }
        guard isSigned(text, publicKeys) else {
            throw LaterLog.unproven(
                "Its checkpoint is not signed by the vault's key.",
                remedy: "If the log's key was rotated since the backup, give the present one with "
                    + "--log-verifier-key. Otherwise give another log, or none: every grant is revoked then.")
        }
        return checkpoint
    }

    /// Whether one of these keys signed it, under whatever name it has.
    static func isSigned(_ text: String, _ publicKeys: [[UInt8]]) -> Bool {
        guard let note = try? SignedNote.parse(Array(text.utf8)),
            let origin = Checkpoint(parsing: note.text)?.origin
        else { return false }
        return publicKeys.contains { key in
            NoteKey(name: origin, publicKey: key).map(note.isSigned(by:)) ?? false
        }
    }
}
