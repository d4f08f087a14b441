package import MerkleLog
import SQLiteStore
import TokenVault
import VaultCore

/// The content of a file anchor.
package enum AnchorReading: Sendable {
    case missing
    /// The file has no signed checkpoint, for this reason.
    case unreadable(String)
    /// A parsed checkpoint, whose signature was not verified.
    case note(SignedNote, Checkpoint)

    /// Reads at most ``Limits/signedNoteBytes``, from a regular file only.
    package init(_ path: String) {
        do {
            let bytes = try SmallFile.read(
                path, limit: Limits.signedNoteBytes, closed: .toNobody, remedy: "Look at the anchor's file.")
            self.init(bytes)
        } catch {
            let error = StorageFailure.translate(error)
            self = error.code == .notFound ? .missing : .unreadable(error.message)
        }
    }

    init(_ bytes: [UInt8]) {
        guard let note = try? SignedNote.parse(bytes), let checkpoint = Checkpoint(parsing: note.text),
            (1...UInt64(Int64.max)).contains(checkpoint.size)
        else {
            self = .unreadable("It is no signed checkpoint.")
            return
        }
        self = .note(note, checkpoint)
    }
}

extension DraftFile {
    /// What a file for others to read is replaced by.
    static func note(at path: String) throws -> DraftFile { try DraftFile(of: path, isForAll: true) }

    /// Puts `text` in place of what is there, on the disk when this returns.
    func replace(by text: String) throws {
        try write(Array(text.utf8))
        try publish(replacing: true)
    }
}

/// The file that has the newest checkpoint a witness cosigned, for its readers.
extension VaultAnchors {
    /// - Throws: ``VaultError/Code/alreadyExists`` for a file that is something else, and what keeps a file from being made there.
    func checkKeptCheckpoint(_ path: String) throws {
        _ = try DraftFile.note(at: path)
        switch AnchorReading(path) {
        case .missing: break
        case .note(_, let kept) where isOurs(kept): break
        case .unreadable, .note:
            throw VaultError(
                .alreadyExists,
                "The file at \(path) is not a checkpoint of this log, so it is not overwritten.",
                remedy: "Choose another name.")
        }
    }

    /// Puts it in place of an older one that this log signed; of what is not a checkpoint nothing is replaced.
    func keep(_ cosigned: CosignedCheckpoint, at path: String) throws {
        let file = try DraftFile.note(at: path)
        switch AnchorReading(path) {
        case .missing: break
        case .unreadable: throw AnchorTrouble("damaged")
        case .note(let note, let kept):
            guard isOurs(kept) else { throw AnchorTrouble("foreign") }
            let newer = try SignedNote.parse(Array(cosigned.note.utf8))
            // Another process was faster, with a newer one.
            if let newer = Checkpoint(parsing: newer.text), newer.origin == kept.origin,
                newer.size < kept.size, note.isSigned(by: vault.keyring.signer.key)
            {
                return
            }
        }
        try file.replace(by: cosigned.note + cosigned.cosignature.line)
    }

    private func isOurs(_ checkpoint: Checkpoint) -> Bool {
        LogHead.incarnation(named: checkpoint.origin, of: vault.id) != nil
    }
}
