import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

extension Vault {
    /// Proves that the log has an entry, to whoever knows its verifier key. The proof is checked before it is
    /// given out: a damaged log gives none.
    ///
    /// - Parameter checkpointSize: of the checkpoint to prove it in; nil for the newest. A checkpoint of an older size
    ///   is signed anew, once the newest was shown to extend it.
    /// - Throws: ``VaultError/Code/notFound`` for an entry that is not there, or was pruned;
    ///   ``VaultError/Code/integrity``.
    public func auditProof(of index: Int64, checkpointSize: Int64? = nil) throws -> AuditProof {
        try snapshot { database, keys in
            let keyring = keys.keyring
            let log = StoredLog(database)
            let checkpoint = try Self.checkpoint(of: checkpointSize, log, keyring)
            guard index >= 0, UInt64(index) < checkpoint.head.size else {
                throw VaultError(
                    .notFound, "The log of \(checkpoint.head.size) entries has no entry \(index).",
                    remedy: "See 'tokenvault audit tail'.")
            }
            guard let leaf = try log.leaf(index) else { throw try Self.missing(index, log) }
            let hashes = try MerkleProof.inclusion(
                of: UInt64(index), in: checkpoint.head.size, hashes: log.subtrees)
            let proof = ProofText(
                .inclusion(index: UInt64(index)), extra: leaf, hashes: hashes, note: checkpoint.note)
            guard proof.proves(leafHash: MerkleHash.leaf(leaf), in: checkpoint.head) else {
                throw Self.unprovable
            }
            return AuditProof(size: Int64(checkpoint.head.size), text: proof.text)
        }
    }

    /// Proves that the log only grew since an older checkpoint of it.
    ///
    /// - Parameter note: the signed checkpoint, kept outside the vault.
    /// - Throws: ``VaultError/Code/integrity`` when the log does not begin with it, or it is not this log's;
    ///   ``VaultError/Code/notFound`` when it lies before what pruning kept.
    public func auditConsistency(from note: [UInt8]) throws -> AuditProof {
        try snapshot { database, keys in
            let keyring = keys.keyring
            let log = StoredLog(database)
            let old = try Checkpoint.read(note, signedBy: keyring.signer.key)
            let checkpoint = try Self.checkpoint(of: nil, log, keyring)
            guard old.size <= checkpoint.head.size else {
                throw VaultError(
                    .integrity,
                    "The log has \(checkpoint.head.size) entries and lies behind the checkpoint of \(old.size).",
                    remedy: "An older copy of the vault is in place of the newest: restore the newest.")
            }
            guard try log.keeps(prefix: Int64(old.size)) else { throw StoredLog.pruned(Int64(old.size)) }
            let hashes = try MerkleProof.consistency(
                from: old.size, to: checkpoint.head.size, hashes: log.subtrees)
            let proof = ProofText(.consistency(old: old.size), hashes: hashes, note: checkpoint.note)
            guard proof.proves(extensionOf: old, by: checkpoint.head) else {
                throw VaultError(
                    .integrity, "The log does not begin with the \(old.size) entries of the checkpoint.",
                    remedy:
                        "Run 'tokenvault audit verify --since' with it, and look for a second copy of the vault."
                )
            }
            return AuditProof(size: Int64(checkpoint.head.size), text: proof.text)
        }
    }

    /// The newest signed checkpoint, or one of an older size.
    static func checkpoint(
        of size: Int64?, _ log: StoredLog, _ keyring: Keyring
    ) throws -> (head: Checkpoint, note: String) {
        let stored = try LogHead.read(log.database)
        guard stored.isSigned(by: keyring.signer.key) else { throw unprovable }
        let newest = Checkpoint(
            origin: keyring.signer.key.name, size: stored.edge.size, root: stored.root)
        guard let size, size != stored.size else { return (newest, stored.note) }
        guard size > 0, size < stored.size else {
            throw VaultError(
                .invalidInput, "The log has \(stored.size) entries; it has no checkpoint of \(size).",
                remedy: "Give a size from 1 to \(stored.size).")
        }
        guard try log.keeps(prefix: size) else { throw StoredLog.pruned(size) }
        let older = Checkpoint(
            origin: newest.origin, size: UInt64(size), root: try log.root(of: size))
        // Nothing is signed that the newest signature does not cover.
        let hashes = try MerkleProof.consistency(from: older.size, to: newest.size, hashes: log.subtrees)
        guard
            ProofText(.consistency(old: older.size), hashes: hashes, note: "")
                .proves(extensionOf: older, by: newest)
        else { throw unprovable }
        return (older, try keyring.signer.sign(older.body))
    }

    private static func missing(_ index: Int64, _ log: StoredLog) throws -> VaultError {
        let first = try log.firstKept(.max)
        guard index < first else { return unprovable }
        return VaultError(
            .notFound, "Entry \(index) was pruned; the log is kept from entry \(first) on.",
            remedy: "A proof of it that was made before stays valid.")
    }

    private static let unprovable = VaultError(
        .integrity, "The log is damaged: its entries do not give the root that was signed.",
        remedy: "Run 'tokenvault audit verify' to see where.")
}
