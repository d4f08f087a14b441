import Foundation
import VaultCore

/// Where a report goes: a new file that its owner alone may read, whole or not at all.
struct ReportFile {
    let path: String
    /// An existing file is replaced.
    let replaces: Bool

    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/notFound`` (the directory),
    ///   ``VaultError/Code/permissionDenied``, ``VaultError/Code/invalidInput``.
    func check() throws {
        guard !path.isEmpty else {
            throw VaultError(.invalidInput, "--html is empty.", remedy: "Name a file.")
        }
        if let facts = FileFacts(at: path) {
            guard replaces else {
                throw VaultError(
                    .alreadyExists, "There is already a file at \(path).",
                    remedy: "Give --force to replace it, or choose another name.")
            }
            // A device or a link would be replaced, too, which nobody wants.
            guard facts.isRegular else {
                throw VaultError(
                    .invalidInput, "\(path) is not a regular file.", remedy: "Choose another name.")
            }
        }
        guard access(directory, F_OK) == 0 else {
            throw VaultError(.notFound, "The directory of \(path) does not exist.", remedy: "Make it first.")
        }
        guard access(directory, W_OK | X_OK) == 0 else {
            throw VaultError(
                .permissionDenied, "This user may not write into the directory of \(path).",
                remedy: "Choose a directory of your own.")
        }
    }

    /// Under another name first, so that nobody meets half a page.
    func write(_ text: String) throws {
        let draft = "\(directory)/.\(UUID().uuidString).html"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure() }
        defer { unlink(draft) }
        do {
            let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            try handle.write(contentsOf: Data(text.utf8))
            try handle.synchronize()
            try handle.close()
        } catch { throw failure() }
        // A link fails where there is something by now; a renaming would not.
        guard (replaces ? rename(draft, path) : link(draft, path)) == 0 else { throw failure() }
    }

    private func failure() -> VaultError {
        switch errno {
        case EEXIST:
            VaultError(.alreadyExists, "There is already a file at \(path).", remedy: "Give --force.")
        case ENOSPC, EDQUOT:
            VaultError(.outOfSpace, "No space is left for \(path).", remedy: "Free some space.")
        case EACCES, EPERM:
            VaultError(.permissionDenied, "This user may not write \(path).", remedy: "Choose another place.")
        case let code:
            VaultError(
                .ioFailure, "\(path) cannot be written: \(String(cString: strerror(code))).",
                remedy: "Choose another place.")
        }
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
