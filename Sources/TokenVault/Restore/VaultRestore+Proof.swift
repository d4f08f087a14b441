import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// The newest log, as far as it is proven.
struct ProvenLog {
    /// Nil where it is a checkpoint only, and of a longer log.
    let replay: LogReplay?
    let facts: NewestLogFacts
    /// The signed checkpoint that it was proven to end at.
    let note: String
}

extension VaultRestore {
    /// Proves that a log goes on from the backup's, up to a checkpoint signed by a key of the vault.
    func prove(
        _ newest: NewestLog, _ database: Database, after head: LogHead, _ keyring: Keyring
    ) throws -> ProvenLog {
        var keys = [keyring.signer.key.publicKey]
        if let key = try verifierKey() { keys.append(key) }
        let (replay, end, note) = try LaterLog.withLog(newest) { log in
            // Who names the key means no other.
            if logVerifierKey == nil, !LogReplay.isSigned(log.note, keys),
                let own = try log.signingKey(source, BackupTrust(database, keyring))
            {
                keys.append(own)
            }
            let reached = try checkpoint.map { try reachedCheckpoint($0, keyring.vault, keys) }
            let (replay, end) = try LogReplay.proven(
                log, after: head.edge, vault: keyring.vault, publicKeys: keys,
                watching: reached?.checkpoint.size)
            try reached?.check(database, head, keyring, replay, newest: end)
            return (replay, end, log.note)
        }
        let facts = NewestLogFacts(
            size: Int64(end.size), root: Hex.encode(end.root.bytes),
            entriesSince: Int64(end.size - head.edge.size), hasEntries: replay != nil)
        return ProvenLog(replay: replay, facts: facts, note: note)
    }

    /// Whether the key that the operator names signed the backup, or the log that goes on from it. What opens
    /// the backup does not say whose it is where anybody can wrap a root key for it.
    ///
    /// - Throws: ``VaultError/Code/integrity``.
    /// - Returns: a sentence for the plan where nobody vouches for the backup.
    func checkSigner(_ head: LogHead, _ proven: ProvenLog?) throws -> String? {
        if let key = try verifierKey() {
            guard [head.note, proven?.note ?? ""].contains(where: { LogReplay.isSigned($0, [key]) }) else {
                throw VaultError(
                    .integrity,
                    "The key of --log-verifier-key signed neither the backup's log nor a newer one given.",
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
                + "give --log-verifier-key, as it was kept outside the vault."
        case .keyFile, .passphrase, .systemdCredential, .heldKey: return nil
        }
    }

    private func reachedCheckpoint(
        _ path: String, _ vault: VaultID, _ keys: [[UInt8]]
    ) throws -> ReachedCheckpoint {
        try LaterLog.withLog(.checkpoint(path: path)) { log in
            ReachedCheckpoint(path: path, checkpoint: try LogReplay.check(log.note, vault, keys))
        }
    }

    /// The public key that the operator names.
    func verifierKey() throws -> [UInt8]? {
        guard let logVerifierKey else { return nil }
        guard let key = NoteKey(vkey: logVerifierKey) else {
            throw VaultError(
                .invalidInput, "That is not a verifier key.",
                remedy: "It has the form tokenvault/<vault id>+<8 hex digits>+<base64>.")
        }
        return key.publicKey
    }
}
