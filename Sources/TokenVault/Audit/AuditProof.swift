import MerkleLog
import VaultCore
import VaultCrypto

/// A proof about the log as text that others read: C2SP tlog-proof, or a consistency proof as C2SP tlog-witness has it.
///
/// ```swift
/// let proof = try vault.auditProof(of: 17)
/// try AuditProof.check(Array(proof.text.utf8), verifierKey: "tokenvault/…+1f2e3d4c+AbC…")
/// ```
public struct AuditProof: Sendable {
    /// Entries of the log that the proof speaks of.
    public let size: Int64
    /// The file: ends in the signed checkpoint.
    public let text: String

    /// What a proof shows, once checked.
    public struct Verdict: Sendable {
        public enum Claim: Sendable, Equatable {
            /// The log has this entry at this index.
            case inclusion(index: Int64, leaf: [UInt8])
            /// The log begins with the one of so many entries.
            case consistency(old: Int64)
        }

        public let claim: Claim
        /// Which log: `tokenvault/<vault id>`.
        public let origin: String
        public let size: Int64
        /// 64 hexadecimal digits.
        public let root: String
    }

    /// Checks a proof from anywhere, with no vault and no secret.
    ///
    /// - Parameters:
    ///   - proof: the file, up to some 80 KiB.
    ///   - verifierKey: the log's C2SP vkey, from somewhere else than the proof.
    ///   - leaf: the entry's exact bytes; nil takes what the proof brings along.
    ///   - old: the older signed checkpoint, for a consistency proof.
    /// - Throws: ``VaultError/Code/integrity`` for anything it does not show; ``VaultError/Code/invalidInput`` when the
    ///   key is none, or leaf or checkpoint are missing.
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
                    .invalidInput, "The proof does not bring the entry along.",
                    remedy: "Give its exact bytes: --leaf FILE")
            }
            guard proof.proves(leafHash: MerkleHash.leaf(leaf), in: checkpoint) else {
                throw unproven("that the entry is in the log at \(index)")
            }
            claim = .inclusion(index: Int64(clamping: index), leaf: leaf)
        case .consistency(let size):
            guard let old else {
                throw VaultError(
                    .invalidInput, "This is a consistency proof: it is checked against the older checkpoint.",
                    remedy: "Give it: --from CHECKPOINT_FILE")
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

    static func key(_ vkey: String) throws -> NoteKey {
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
            remedy: "Proof, entry or checkpoint is not what the log gave out; ask for it anew.")
    }
}
