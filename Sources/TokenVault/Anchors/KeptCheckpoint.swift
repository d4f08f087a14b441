import MerkleLog
import VaultCore

/// The file that has the newest checkpoint a witness cosigned, for whoever publishes it.
struct KeptCheckpoint {
    let path: String
    /// Whose log it is of.
    let vault: VaultID

    /// - Throws: ``VaultError/Code/alreadyExists`` for a file that is something else, and what keeps a file from being made there.
    func check() throws {
        _ = try AnchorFile(path)
        switch AnchorReading(path) {
        case .missing: break
        case .note(_, let kept) where isOurs(kept): break
        case .unreadable, .note:
            throw VaultError(
                .alreadyExists, "The file at \(path) is no checkpoint of this log, so it is not replaced.",
                remedy: "Choose another name.")
        }
    }

    /// Puts it in place of an older one; of what is not a checkpoint nothing is replaced.
    ///
    /// - Parameter key: of the log: only what it signed can be newer.
    func keep(_ cosigned: CosignedCheckpoint, signedBy key: NoteKey) throws {
        let file = try AnchorFile(path)
        switch AnchorReading(path) {
        case .missing: break
        case .unreadable: throw AnchorTrouble("damaged")
        case .note(let note, let kept):
            guard isOurs(kept) else { throw AnchorTrouble("foreign") }
            let newer = try SignedNote.parse(Array(cosigned.note.utf8))
            // Another process was faster, with a newer one.
            if let newer = Checkpoint(parsing: newer.text), newer.origin == kept.origin,
                newer.size < kept.size, note.isSigned(by: key)
            {
                return
            }
        }
        try file.publish(cosigned.note + cosigned.cosignature.line)
    }

    private func isOurs(_ checkpoint: Checkpoint) -> Bool {
        LogHead.incarnation(named: checkpoint.origin, of: vault) != nil
    }
}
