package import MerkleLog
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// A proof about the log as text that others read: C2SP tlog-proof, or a consistency proof as C2SP tlog-witness has it.
///
/// ```swift
/// let proof = try await vault.log.proof(of: 17)
/// try AuditProof.check(Array(proof.text.utf8), verifierKey: "tokenvault/…+1f2e3d4c+AbC…")
/// ```
public struct AuditProof: Sendable {
    /// The number of entries of the log that the proof is about.
    public let size: Int64
    /// The text of the proof, which ends with the signed checkpoint.
    public let text: String

    /// What a checked proof shows.
    public struct Verdict: Sendable {
        public enum Claim: Sendable, Equatable {
            /// The log has this entry at this index.
            case inclusion(index: Int64, leaf: [UInt8])
            /// The log begins with the log of this many entries.
            case consistency(old: Int64)
        }

        public let claim: Claim
        /// The name of the log: `tokenvault/<vault id>`.
        public let origin: String
        public let size: Int64
        /// 64 hexadecimal digits.
        public let root: String
    }

    /// Checks a proof, without a vault and without a secret.
    ///
    /// - Parameters:
    ///   - proof: the file, up to some 80 KiB.
    ///   - verifierKey: the log's C2SP vkey, from another source than the proof.
    ///   - leaf: the entry's exact bytes; nil takes those in the proof.
    ///   - old: the older signed checkpoint, for a consistency proof.
    /// - Throws: ``VaultError/Code/integrity`` for anything it does not show; ``VaultError/Code/invalidInput`` when the
    ///   key is malformed, or leaf or checkpoint are missing.
    public static func check(
        _ proof: [UInt8], verifierKey: String, leaf: [UInt8]? = nil, old: [UInt8]? = nil
    ) throws -> Verdict {
        let key = try key(verifierKey)
        let proof = try ProofText.parse(proof)
        let checkpoint = try proof.checkpoint(signedBy: key)
        let claim: Verdict.Claim
        switch proof.claim {
        case .inclusion(let index):
            guard let leaf = leaf ?? proof.extra else {
                throw VaultError(
                    .invalidInput, "The proof does not include the entry.",
                    remedy: "Give the exact bytes of the entry.")
            }
            guard proof.proves(leafHash: MerkleHash.leaf(leaf), in: checkpoint) else {
                throw unproven("that the entry is in the log at \(index)")
            }
            claim = .inclusion(index: Int64(clamping: index), leaf: leaf)
        case .consistency(let size):
            guard let old else {
                throw VaultError(
                    .invalidInput, "This is a consistency proof: it is checked against the older checkpoint.",
                    remedy: "Give the older checkpoint.")
            }
            guard proof.proves(extensionOf: try Checkpoint.read(old, signedBy: key), by: checkpoint) else {
                throw unproven("that the log begins with the one of \(size) entries")
            }
            claim = .consistency(old: Int64(clamping: size))
        }
        return Verdict(
            claim: claim, origin: checkpoint.origin, size: Int64(clamping: checkpoint.size),
            root: checkpoint.root.description)
    }

    package static func key(_ vkey: String) throws -> NoteKey {
        guard let key = NoteKey(vkey: vkey) else {
            throw VaultError(
                .invalidInput, "That is not a verifier key.",
                remedy: "It has the form tokenvault/<vault id>+<8 hex digits>+<base64>.")
        }
        return key
    }

    private static func unproven(_ claim: String) -> VaultError {
        VaultError(
            .integrity, "The proof does not show \(claim).",
            remedy: "Proof, entry or checkpoint differs from what the log gave out; ask for it again.")
    }
}

extension VaultLog {
    /// Proves that the log has an entry, to others who know its verifier key. The proof is checked before it is
    /// given out: a damaged log gives none.
    ///
    /// - Parameter checkpointSize: of the checkpoint to prove it in; nil for the newest. A checkpoint of an older size
    ///   is signed again, once the newest was shown to extend it.
    /// - Throws: ``VaultError/Code/notFound`` for an entry that is not there, or was pruned;
    ///   ``VaultError/Code/integrity``.
    public func proof(of index: Int64, checkpointSize: Int64? = nil) async throws -> AuditProof {
        try await vault.snapshot { database, keys in
            let keyring = keys.keyring
            let log = StoredLog(database)
            let checkpoint = try Self.checkpoint(of: checkpointSize, log, keyring)
            guard index >= 0, UInt64(index) < checkpoint.head.size else {
                throw VaultError(
                    .notFound, "The log of \(checkpoint.head.size) entries has no entry \(index).",
                    remedy: "List the newest entries.")
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
    ///   ``VaultError/Code/notFound`` when it is older than what pruning kept.
    public func consistencyProof(from note: [UInt8]) async throws -> AuditProof {
        try await vault.snapshot { database, keys in
            let keyring = keys.keyring
            let log = StoredLog(database)
            let old = try Checkpoint.read(note, signedBy: keyring.signer.key)
            let checkpoint = try Self.checkpoint(of: nil, log, keyring)
            guard old.size <= checkpoint.head.size else {
                throw VaultError(
                    .integrity,
                    "The log has \(checkpoint.head.size) entries and is behind the checkpoint of \(old.size).",
                    remedy: "The vault is an older copy: put the newest file back.")
            }
            guard try log.keeps(prefix: Int64(old.size)) else { throw StoredLog.pruned(Int64(old.size)) }
            let hashes = try MerkleProof.consistency(
                from: old.size, to: checkpoint.head.size, hashes: log.subtrees)
            let proof = ProofText(.consistency(old: old.size), hashes: hashes, note: checkpoint.note)
            guard proof.proves(extensionOf: old, by: checkpoint.head) else {
                throw VaultError(
                    .integrity, "The log does not begin with the \(old.size) entries of the checkpoint.",
                    remedy:
                        "Verify the audit log against it, and look for a second copy of the vault."
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
        let newest = Checkpoint(origin: keyring.signer.key.name, size: stored.edge.size, root: stored.root)
        guard let size, size != stored.size else { return (newest, stored.note) }
        guard size > 0, size < stored.size else {
            throw VaultError(
                .invalidInput, "The log has \(stored.size) entries; it has no checkpoint of \(size).",
                remedy: "Give a size from 1 to \(stored.size).")
        }
        guard try log.keeps(prefix: size) else { throw StoredLog.pruned(size) }
        let older = Checkpoint(origin: newest.origin, size: UInt64(size), root: try log.root(of: size))
        // Nothing is signed that the newest signature does not cover.
        guard try log.shows(older, before: newest) else { throw unprovable }
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
        remedy: "Verify the audit log to see where.")
}
