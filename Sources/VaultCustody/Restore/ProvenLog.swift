import MerkleLog
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultStore

/// The newest log, as far as it is proven: its entries lead from the backup's own tree to a checkpoint that a key of the
/// vault signed.
struct ProvenLog {
    /// Nil where it is a checkpoint only, and of a longer log.
    let replay: LogReplay?
    let facts: NewestLogFacts
    /// The signed checkpoint that it was proven to end at.
    let note: String
}

extension VaultRestore {
    /// - Parameters:
    ///   - database: of the backup.
    ///   - head: of its log.
    /// - Throws: ``VaultError/Code/integrity``, ``VaultError/Code/invalidInput``.
    func prove(
        _ newest: NewestLog, _ database: Database, after head: LogHead, _ keyring: Keyring
    ) throws -> ProvenLog {
        var keys = [keyring.signer.key.publicKey]
        if let key = try verifierKey() { keys.append(key) }
        return try LaterLog.withLog(newest) { log in
            // Who names the key means no other.
            if logVerifierKey == nil, !Self.isSigned(log.note, keys), let newer = log.database,
                let key = try signingKey(of: newer, database, keyring)
            {
                keys.append(key)
            }
            let end = try Self.check(log.note, keyring.vault, keys)
            guard end.size >= head.edge.size else {
                throw VaultError(
                    .invalidInput,
                    "The given log has \(end.size) entries, the backup \(head.size): it is no newer.",
                    remedy: "Give a newer log, or none: every grant is revoked then.")
            }
            let reached = try checkpoint.map {
                try Self.check(LaterLog.readNote($0), keyring.vault, keys)
            }
            let replay = try Self.read(log, after: head.edge, to: end, watching: reached?.size)
            if let reached {
                try checkPassage(through: reached, database, head, keyring, to: end, replay)
            }
            let facts = NewestLogFacts(
                size: Int64(end.size), root: Hex.encode(end.root.bytes),
                entriesSince: Int64(end.size) - head.size, hasEntries: replay != nil)
            return ProvenLog(replay: replay, facts: facts, note: log.note)
        }
    }

    /// - Returns: nil where the log is a checkpoint only, and of a longer log.
    private static func read(
        _ log: LaterLog, after edge: RightEdge, to end: Checkpoint, watching size: UInt64?
    ) throws -> LogReplay? {
        var replay = LogReplay(after: edge, watching: size)
        if let entries = log.entries {
            try entries(Int64(edge.size)) { index, bytes in
                // What lies past the checkpoint is proven by nothing.
                if index < Int64(end.size) { try replay.add(index, bytes) }
            }
            guard replay.edge.size == end.size else {
                throw LaterLog.unproven("It ends at entry \(replay.edge.size) of \(end.size).")
            }
        } else if end.size != edge.size {
            return nil
        }
        guard replay.edge.root == end.root else {
            throw LaterLog.unproven(
                "It does not go on from the backup: one of them was changed, or restored since.")
        }
        return replay
    }

    private static func check(_ text: String, _ vault: VaultID, _ publicKeys: [[UInt8]]) throws -> Checkpoint
    {
        guard let note = try? SignedNote.parse(Array(text.utf8)),
            let checkpoint = Checkpoint(parsing: note.text)
        else { throw LaterLog.unproven("Its checkpoint cannot be read.") }
        let name = LogHead.origin(of: vault)
        guard checkpoint.origin == name || checkpoint.origin.hasPrefix(name + "/") else {
            throw VaultError(
                .invalidInput, "The given log is of another vault: \(checkpoint.origin).",
                remedy: "Give the log of vault \(vault).")
        }
        guard isSigned(text, publicKeys) else {
            throw LaterLog.unproven(
                "Its checkpoint is not signed by the vault's key.",
                remedy:
                    "If the log's key was rotated since the backup, give the present verifier key of the log. "
                    + "Otherwise give another log, or none: every grant is revoked then.")
        }
        return checkpoint
    }

    /// Whether one of these keys signed it, under whatever name it has.
    private static func isSigned(_ text: String, _ publicKeys: [[UInt8]]) -> Bool {
        guard let note = try? SignedNote.parse(Array(text.utf8)),
            let origin = Checkpoint(parsing: note.text)?.origin
        else { return false }
        return publicKeys.contains { key in
            NoteKey(name: origin, publicKey: key).map(note.isSigned(by:)) ?? false
        }
    }
}

// MARK: - The checkpoint that the log must go through

extension VaultRestore {
    /// Checks size, root, and the life that signed it: a log of more entries is not enough, for after a restore there can be
    /// two logs that both begin with the backup's.
    ///
    /// - Parameters:
    ///   - database: of the backup.
    ///   - end: what the newest log was proven to end at.
    ///   - replay: the entries after the backup; nil if they are not available.
    /// - Throws: ``VaultError/Code/integrity``.
    private func checkPassage(
        through reached: Checkpoint, _ database: Database, _ head: LogHead, _ keyring: Keyring,
        to end: Checkpoint,
        _ replay: LogReplay?
    ) throws {
        let (size, path) = (reached.size, checkpoint ?? "")
        guard size <= end.size else {
            throw LaterLog.unproven("The checkpoint in \(path) is of \(size) entries.")
        }
        // A life begins with an entry that says so.
        let known = try database.loadAll(IncarnationRow.self, where: "id > 0 ORDER BY id", [], keyring)
        let lives = known.map { (id: $0.id, entry: $0.parentSize) } + (replay?.lives ?? [])
        let life = lives.last { $0.entry < Int64(size) }.map { Incarnation(id: $0.id) } ?? .first
        var origin = LogHead.origin(of: keyring.vault, incarnation: life)
        let isPassed: Bool
        if size <= head.edge.size {
            let log = StoredLog(database)
            guard try log.keeps(prefix: Int64(size)) else {
                throw LaterLog.unproven(
                    "The checkpoint in \(path) is of entries that were pruned before the backup.",
                    remedy: "Give a newer checkpoint.")
            }
            isPassed = try log.shows(reached, before: head.checkpoint(named: reached.origin))
        } else if let replay {
            isPassed = replay.watchedRoot == reached.root
        } else {
            guard size == end.size else {
                throw LaterLog.unproven(
                    "Without entries nothing shows that it goes through the checkpoint in \(path).",
                    remedy: "Give a log with entries, or leave out the checkpoint.")
            }
            isPassed = end.root == reached.root
            origin = end.origin
        }
        guard isPassed, origin == reached.origin else {
            throw LaterLog.unproven(
                "It does not go through the checkpoint in \(path): "
                    + (isPassed
                        ? "that is of another life of the vault, \(reached.origin)."
                        : "after \(size) entries it was another log."))
        }
    }
}

// MARK: - Whose key it is

extension VaultRestore {
    /// The public key that the operator names.
    private func verifierKey() throws -> [UInt8]? {
        try logVerifierKey.map { try AuditProof.key($0).publicKey }
    }

    /// Whether the key that the operator names signed the backup, or the log that goes on from it. What opens
    /// the backup does not say whose it is where anybody can wrap a root key for it.
    ///
    /// - Throws: ``VaultError/Code/integrity``.
    /// - Returns: a sentence for the plan if nothing vouches for the backup.
    func checkSigner(_ head: LogHead, _ proven: ProvenLog?) throws -> String? {
        if let key = try verifierKey() {
            guard [head.note, proven?.note ?? ""].contains(where: { Self.isSigned($0, [key]) }) else {
                throw VaultError(
                    .integrity,
                    "The given verifier key signed neither the backup's log nor the newer one.",
                    remedy:
                        "Give the key that signed one of them, as it was kept outside the vault; if it did, "
                        + "this is not a backup of your vault.")
            }
            return nil
        }
        switch source {
        case .recoveryKey, .program:
            return
                "Nothing shows who made the backup, for anybody can make one that a recovery key or a program opens: "
                + "give the verifier key of the log, as it was kept outside the vault."
        default: return nil
        }
    }

    /// The key that signs a newer vault's log, as far as the backup vouches for it.
    ///
    /// Anyone who once had the root key has the keys of the keyslots of that time, and can build a vault that the operator's
    /// key opens: in an old slot, but in none that the backup has since. And a vault that is older than the backup names a
    /// key that was retired, perhaps because it leaked.
    ///
    /// - Returns: nil for a key that cannot open the vault, and for what anybody can wrap a key for: a recovery key, a program.
    /// - Throws: ``VaultError/Code/integrity`` where the vault opens, but not by what the backup vouches for.
    private func signingKey(of newer: Database, _ backup: Database, _ keyring: Keyring) throws -> [UInt8]? {
        switch source {
        case .recoveryKey, .program, .heldKey: return nil
        default: break
        }
        guard let row = try? VaultRow.read(newer, rowKey: nil), row.id == keyring.vault,
            let (key, unlocker) = try? Unlocking.unlock(newer, vault: row, source),
            let opened = try? Keyring.load(newer, vault: row, opened: key)
        else { return nil }
        let slots = try backup.loadAll(KeyslotRow.self, where: "id > 0", [], keyring)
        guard slots.contains(where: { $0.record.id == unlocker.slotID }) else {
            throw Self.unvouched("It is opened by a keyslot that the backup does not have")
        }
        guard try newer.signerID() >= backup.signerID() else {
            throw Self.unvouched("Its log's key is older than the backup's")
        }
        return opened.signer.key.publicKey
    }

    private static func unvouched(_ why: String) -> VaultError {
        LaterLog.unproven(
            "\(why), so its own word for the key that signs its log is not taken.",
            remedy:
                "Give the verifier key of the log, as it was kept outside the vault when keys were rotated; "
                + "or no log: every grant is revoked then.")
    }
}

extension Database {
    /// Of the key that signs the log, as ``Keyring`` chooses it; later keys have larger numbers.
    fileprivate func signerID() throws -> Int64 {
        let purpose = SQLValue.integer(SystemKeyPurpose.logSigning.rawValue)
        let current = SQLValue.integer(KeyState.current.rawValue)
        return try count(
            "SELECT id FROM system_keys WHERE purpose = ? AND state = ? ORDER BY id LIMIT 1",
            [purpose, current])
    }
}
