package import VaultCore
package import VaultCrypto

/// Believing a proof: only with the log's key at hand, which nothing in the file vouches for.
extension ProofText {
    /// The checkpoint at its end, once `key` is known to have signed it. Throws ``VaultError/Code/integrity``
    /// for another log, another key, or an altered text.
    package func checkpoint(signedBy key: NoteKey) throws(VaultError) -> Checkpoint {
        try Checkpoint.read(Array(note.utf8), signedBy: key)
    }

    /// Whether this shows that the leaf of that hash is in the tree of `checkpoint`.
    package func proves(leafHash: Digest, in checkpoint: Checkpoint) -> Bool {
        guard case .inclusion(let index) = claim else { return false }
        return MerkleProof.verifyInclusion(
            leafHash: leafHash, index: index, size: checkpoint.size, proof: hashes, root: checkpoint.root)
    }

    /// Whether this shows that the tree of `checkpoint` begins with that of `old`.
    package func proves(extensionOf old: Checkpoint, by checkpoint: Checkpoint) -> Bool {
        guard case .consistency(old.size) = claim, old.origin == checkpoint.origin else { return false }
        return MerkleProof.verifyConsistency(
            old: old.size, oldRoot: old.root, new: checkpoint.size, newRoot: checkpoint.root, proof: hashes)
    }
}

extension Checkpoint {
    /// Reads a signed checkpoint from anywhere. Throws ``VaultError/Code/integrity`` unless it is a
    /// well-formed one of the log of `key`, signed by it.
    package static func read(_ bytes: [UInt8], signedBy key: NoteKey) throws(VaultError) -> Checkpoint {
        let note = try SignedNote.parse(bytes)
        let checkpoint = try read(note, ofLog: key.name)
        guard note.isSigned(by: key) else { throw otherLog }
        return checkpoint
    }

    /// A checkpoint that names this log, by any signer: for a caller that computes its root itself.
    package static func read(_ bytes: [UInt8], ofLog name: String) throws(VaultError) -> Checkpoint {
        try read(SignedNote.parse(bytes), ofLog: name)
    }

    private static func read(_ note: SignedNote, ofLog name: String) throws(VaultError) -> Checkpoint {
        guard let checkpoint = Checkpoint(parsing: note.text) else {
            throw VaultError(.integrity, "The signed text is not a checkpoint.")
        }
        guard checkpoint.origin == name else { throw otherLog }
        return checkpoint
    }

    private static var otherLog: VaultError {
        VaultError(
            .integrity, "The checkpoint is not signed by the key of this log.",
            remedy: "Check where the file and the verifier key came from.")
    }
}
