import CVaultShims
import Foundation
package import VaultCore

/// The file itself: whether it can be a vault at all, who may read it, and how it comes into being.
package enum VaultFile {
    /// "TVLT", in the database header.
    package static let applicationID: Int32 = 0x5456_4C54

    /// The file's own name, links followed: SQLite puts the WAL beside the file itself, and so do we the lock.
    ///
    /// - Parameter isNew: the file is not there yet; its directory is.
    package static func resolve(_ path: String, isNew: Bool = false) throws -> String {
        let place = isNew ? directory(of: path) : path
        guard let resolved = realpath(place, nil) else { throw StorageFailure.opening(path, errno) }
        defer { free(resolved) }
        let text = String(cString: resolved)
        guard isNew else { return text }
        return (text == "/" ? "" : text) + "/" + (path.split(separator: "/").last.map(String.init) ?? "")
    }

    /// Looks before SQLite does, so that a wrong path gets a sentence instead of a code.
    ///
    /// - Parameter isWritten: false for a vault that is only read, as one on a disk that is mounted read-only.
    package static func check(_ path: String, isWritten: Bool = true) throws {
        var information = stat()
        guard stat(path, &information) == 0 else { throw StorageFailure.opening(path, errno) }
        guard information.st_mode & S_IFMT == S_IFREG else {
            throw VaultError(
                .notAVault, "\(path) is not a regular file.", remedy: "Name the vault file itself.")
        }
        // First: nothing is advised for a file that is another's.
        guard try isVault(path) else {
            throw VaultError(
                .notAVault, "\(path) is not a vault.",
                remedy: "Check the path of the vault, or create a vault.")
        }
        guard information.st_mode & 0o077 == 0 else {
            throw VaultError(
                .permissionDenied, "Users other than its owner may read \(path).",
                remedy: "Run: chmod 600 \(path)"
            )
        }
        guard access(path, isWritten ? R_OK | W_OK : R_OK) == 0 else {
            throw StorageFailure.opening(path, errno)
        }
        guard isWritten else { return }
        let place = directory(of: path)
        guard access(place, W_OK | X_OK) == 0 else { throw StorageFailure.opening(place, errno) }
    }

    /// Whether the file begins as a vault does.
    package static func isVault(_ path: String) throws -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw StorageFailure.opening(path, errno) }
        defer { ParkedDescriptors.close(descriptor) }
        var header = [UInt8](repeating: 0, count: 100)
        let count = read(descriptor, &header, header.count)
        let identifier = header[68..<72].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return count == header.count && header.starts(with: Array("SQLite format 3\0".utf8))
            && identifier == UInt32(applicationID)
    }

    /// Whether there is a place for a new vault at `path`.
    package static func checkDirectory(of path: String) throws {
        guard access(directory(of: path), F_OK) == 0 else {
            throw VaultError(
                .notFound, "The directory of \(path) does not exist.", remedy: "Make it first, with mode 700."
            )
        }
        // Also a symbolic link that leads nowhere.
        guard FileFacts(at: path) == nil else { throw alreadyExists(path) }
        // They would be taken for the new vault's.
        for file in sideFiles(of: path) where FileFacts(at: file) != nil {
            throw VaultError(
                .alreadyExists, "There is already a file at \(file).",
                remedy: "Choose another path, or move the remains of the vault away.")
        }
    }

    /// The files beside a vault that belong to it, except the lock file.
    package static func sideFiles(of path: String) -> [String] {
        ["-wal", "-shm", ".ballast"].map { path + $0 }
    }

    /// Foundation's `deletingLastPathComponent` traps on a name of one character.
    package static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes an empty file that only its owner may read.
    package static func createExclusively(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw errno == EEXIST ? alreadyExists(path) : StorageFailure.opening(path, errno)
        }
        fchmod(descriptor, 0o600)
        close(descriptor)
    }

    /// Root leaves no file behind that the vault's owner could not open.
    package static func giveToOwner(of path: String, _ descriptor: Int32) {
        var information = stat()
        guard geteuid() == 0, stat(path, &information) == 0 else { return }
        fchown(descriptor, information.st_uid, information.st_gid)
    }

    /// Gives a finished file its name, unless that is taken, and makes the name durable. Where that fails,
    /// the file is gone: a failed creation leaves nothing that looks made.
    package static func publish(_ draft: String, as path: String) throws {
        let descriptor = open(draft, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageFailure.opening(draft, errno) }
        defer { ParkedDescriptors.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw StorageFailure.failed("fsync", errno) }
        let code = rename(draft, toFree: path)
        guard code == 0 else {
            throw code == EEXIST ? alreadyExists(path) : StorageFailure.opening(path, code)
        }
        do {
            try synchronize(directory(of: path), O_RDONLY | O_DIRECTORY)
        } catch {
            if isNamed(descriptor, path) { unlink(path) }
            throw error
        }
    }

    /// Gives a file another name unless that is taken: in one step, but on file systems that cannot.
    ///
    /// - Returns: 0 or the error.
    package static func rename(_ draft: String, toFree path: String) -> Int32 {
        let code = tv_rename_new(draft, path)
        guard code == EINVAL || code == ENOSYS else { return code }
        // A process that ends between the two leaves a file of two names.
        guard link(draft, path) == 0 else { return errno }
        unlink(draft)
        return 0
    }

    /// Whether an open file is the one that has this name now.
    package static func isNamed(_ descriptor: Int32, _ path: String) -> Bool {
        var own = stat()
        var named = stat()
        return fstat(descriptor, &own) == 0 && stat(path, &named) == 0 && own.st_dev == named.st_dev
            && own.st_ino == named.st_ino
    }

    package static func synchronize(_ path: String, _ flags: Int32) throws {
        let descriptor = open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageFailure.opening(path, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw StorageFailure.failed("fsync", errno) }
    }

    package static func alreadyExists(_ path: String) -> VaultError {
        VaultError(
            .alreadyExists, "There is already a file at \(path).",
            remedy: "Choose another path; an existing vault is never overwritten.")
    }
}
