import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// A signed checkpoint that the newest log must go through: its size, its root, and the life that signed it.
///
/// A log of more entries is not enough: after a restore there can be two logs that both begin with the backup's.
struct ReachedCheckpoint {
    let path: String
    let checkpoint: Checkpoint

    private var size: UInt64 { checkpoint.size }

    /// - Parameters:
    ///   - head: of the backup's log, which is in `database`.
    ///   - replay: the entries after it, having watched for this checkpoint's size; nil where there are none at hand.
    ///   - newest: the checkpoint that the newest log was proven to end at.
    /// - Throws: ``VaultError/Code/integrity`` unless the log goes through it, provably.
    func check(
        _ database: Database, _ head: LogHead, _ keyring: Keyring, _ replay: LogReplay?, newest: Checkpoint
    ) throws {
        guard size <= newest.size else {
            throw LaterLog.unproven("The checkpoint in \(path) is of \(size) entries.")
        }
        let isPassed: Bool
        let origin: String
        if size <= head.edge.size {
            isPassed = try begins(database, head)
            origin = try self.origin(database, keyring, [])
        } else if let replay {
            isPassed = replay.watchedRoot == checkpoint.root
            origin = try self.origin(database, keyring, replay.lives)
        } else {
            guard size == newest.size else {
                throw LaterLog.unproven(
                    "Without entries nothing shows that it goes through the checkpoint in \(path).",
                    remedy: "Give a log with entries, or leave out --checkpoint.")
            }
            isPassed = newest.root == checkpoint.root
            origin = newest.origin
        }
        guard isPassed, origin == checkpoint.origin else {
            throw LaterLog.unproven(
                "It does not go through the checkpoint in \(path): "
                    + (isPassed
                        ? "that is of another life of the vault, \(checkpoint.origin)."
                        : "after \(size) entries it was another log."))
        }
    }

    /// Whether the backup's own log begins so.
    private func begins(_ database: Database, _ head: LogHead) throws -> Bool {
        if size == head.edge.size { return checkpoint.root == head.root }
        let log = StoredLog(database)
        guard try log.keeps(prefix: Int64(size)) else {
            throw LaterLog.unproven(
                "The checkpoint in \(path) is of entries that were pruned before the backup.",
                remedy: "Give a newer checkpoint.")
        }
        return MerkleProof.verifyConsistency(
            old: size, oldRoot: checkpoint.root, new: head.edge.size, newRoot: head.root,
            proof: try MerkleProof.consistency(from: size, to: head.edge.size, hashes: log.subtrees))
    }

    /// The name of the log when it had so many entries: a life begins with an entry that says so.
    private func origin(_ database: Database, _ keyring: Keyring, _ later: [LogReplay.Life]) throws -> String
    {
        let known = try database.loadAll(IncarnationRow.self, where: "id > 0 ORDER BY id", [], keyring)
        let lives = known.map { LogReplay.Life(id: $0.id, entry: $0.parentSize) } + later
        let life = lives.last { $0.entry < Int64(size) }.map { Incarnation(id: $0.id) } ?? .first
        return LogHead.origin(of: keyring.vault, incarnation: life)
    }
}
