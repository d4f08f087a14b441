import CVaultShims
import Foundation
import MerkleLog
import VaultCore

/// What lies at the path of a file anchor.
enum AnchorReading: Sendable {
    case missing
    /// No signed checkpoint; says why.
    case unreadable(String)
    /// Parsed, not believed.
    case note(SignedNote, Checkpoint)

    /// Reads at most ``Limits/signedNoteBytes``, from a regular file only.
    init(_ path: String) {
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

/// A file anchor while one process writes it: readers see the old note or the new one, also after a crash.
final class AnchorFile {
    private let path: String
    private let draft: String
    private let descriptor: Int32
    private var isPublished = false

    /// Takes the turn to write.
    ///
    /// - Throws: ``VaultError/Code/busy`` while another process writes, and what keeps a file from being made there.
    init(_ path: String) throws {
        let draft = path + ".partial"
        let descriptor = open(draft, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
        guard descriptor >= 0 else { throw StorageFailure.writing(draft, errno) }
        // Whoever was first may have given the file its name meanwhile: then this is no draft any more.
        guard tv_lock_byte(descriptor, 0, 1) == 0, Self.isSame(descriptor, draft) else {
            close(descriptor)
            throw VaultError(.busy, "Another process is writing \(path).", remedy: "Try again.")
        }
        // Last: with every property set, a throw runs `deinit`, which removes the draft and closes its descriptor.
        self.path = path
        self.draft = draft
        self.descriptor = descriptor
    }

    deinit {
        if !isPublished { unlink(draft) }
        close(descriptor)
    }

    /// Puts `text` in place of what is there, on the disk when this returns.
    func publish(_ text: String) throws {
        guard ftruncate(descriptor, 0) == 0 else { throw StorageFailure.writing(draft, errno) }
        let bytes = Array(text.utf8)
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        // A few hundred bytes are cut short by nothing but a full disk.
        guard count == bytes.count else { throw StorageFailure.writing(draft, count < 0 ? errno : ENOSPC) }
        guard fsync(descriptor) == 0, rename(draft, path) == 0 else {
            throw StorageFailure.writing(path, errno)
        }
        isPublished = true
        try VaultFile.synchronize(VaultFile.directory(of: path), O_RDONLY | O_DIRECTORY)
    }

    private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
        var (opened, named) = (stat(), stat())
        guard fstat(descriptor, &opened) == 0, lstat(path, &named) == 0 else { return false }
        return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
            && opened.st_mode & S_IFMT == S_IFREG
    }

    /// Whether both directories are on one file system: an anchor there is lost, or set back, with the vault.
    static func isBeside(_ path: String, _ vault: String) -> Bool {
        var (one, other) = (stat(), stat())
        guard stat(VaultFile.directory(of: path), &one) == 0, stat(vault, &other) == 0 else { return false }
        return one.st_dev == other.st_dev
    }
}
