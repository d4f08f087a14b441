import CVaultShims
import Foundation
package import VaultCore

/// A file that is written under a provisional name, by one process at a time, and gets its own when it is whole.
package final class DraftFile {
    package let path: String
    private let draft: String
    private let descriptor: Int32
    /// Until it has its name.
    private let unfinished: Unfinished
    /// Whether it was given its name, on the disk or not yet.
    package private(set) var isPublished = false

    /// - Parameter isForAll: others may read it, as far as the umask lets them; otherwise its owner alone.
    /// - Throws: ``VaultError/Code/busy`` while another process writes the same file.
    package init(of path: String, isForAll: Bool = false) throws {
        let draft = path + ".partial"
        let mode: mode_t = isForAll ? 0o644 : 0o600
        var descriptor: Int32 = -1
        let unfinished = try Unfinished {
            descriptor = try Self.claim(draft, of: path, mode)
            // A process was killed when the file had its own name already: it must not be emptied under that.
            var facts = stat()
            if fstat(descriptor, &facts) == 0, facts.st_nlink > 1 {
                unlink(draft)
                close(descriptor)
                descriptor = try Self.claim(draft, of: path, mode)
            }
            return descriptor
        } undo: {
            Self.remove(draft, opened: $0)
        }
        // What a killed process left.
        guard isForAll || fchmod(descriptor, mode) == 0, ftruncate(descriptor, 0) == 0 else {
            let code = errno
            close(descriptor)
            throw StorageFailure.writing(draft, code)
        }
        // Last, so that the draft of anyone who was faster is not removed when this throws.
        self.path = path
        self.draft = draft
        self.descriptor = descriptor
        self.unfinished = unfinished
    }

    /// Opens the draft, and locks it until it is closed: the holder of the lock on the named file owns the name.
    private static func claim(_ draft: String, of path: String, _ mode: mode_t) throws -> Int32 {
        let descriptor = open(draft, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode)
        guard descriptor >= 0 else { throw StorageFailure.writing(draft, errno) }
        // Who had it until now may have published or removed it since we opened it.
        guard FileFacts(of: descriptor)?.isRegular == true, tv_lock_byte(descriptor, 0, 1) == 0,
            VaultFile.isNamed(descriptor, draft)
        else {
            close(descriptor)
            throw VaultError(
                .busy, "Another process is writing \(path).",
                remedy: "Wait for its end, or choose another name.")
        }
        return descriptor
    }

    deinit {
        if !isPublished { withdraw() }
        unfinished.finish()
        close(descriptor)
    }

    package func write(_ bytes: [UInt8]) throws { try Self.write(bytes, to: descriptor, of: draft) }

    package static func write(_ bytes: [UInt8], to descriptor: Int32, of path: String) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StorageFailure.writing(path, count < 0 ? errno : ENOSPC) }
            rest = rest.dropFirst(count)
        }
    }

    /// Gives the file its name, on the disk when this returns.
    ///
    /// - Parameter replacing: whatever has the name is replaced; otherwise it stays and this throws
    ///   ``VaultError/Code/alreadyExists``.
    /// - Throws: where the name cannot be made durable, the file is taken away again, unless it replaced another: that one
    ///   is gone, so this one stays.
    package func publish(replacing: Bool) throws {
        guard fsync(descriptor) == 0 else { throw StorageFailure.writing(draft, errno) }
        if replacing {
            guard rename(draft, path) == 0 else { throw StorageFailure.writing(path, errno) }
        } else {
            let code = VaultFile.rename(draft, toFree: path)
            guard code == 0 else {
                throw code == EEXIST ? Self.exists(path) : StorageFailure.writing(path, code)
            }
        }
        isPublished = true
        do {
            try VaultFile.synchronize(VaultFile.directory(of: path), O_RDONLY | O_DIRECTORY)
        } catch {
            if !replacing { withdraw() }
            throw error
        }
    }

    /// Takes the file away again, published or not: what it belongs to came to nothing, or to its end.
    package func withdraw() {
        Self.remove(isPublished ? path : draft, opened: descriptor)
    }

    private static func remove(_ name: String, opened descriptor: Int32) {
        if VaultFile.isNamed(descriptor, name) { unlink(name) }
    }

    package static func exists(_ path: String) -> VaultError {
        VaultError(
            .alreadyExists, "There is already a file at \(path).",
            remedy: "Choose another name, or overwrite an older backup.")
    }
}

/// How much more fits on a disk.
package enum FreeSpace {
    /// Besides what is needed, so that others who write there can go on.
    package static let margin: Int64 = 64 << 20

    /// - Throws: ``VaultError/Code/outOfSpace``.
    package static func check(_ needed: Int64, in directory: String) throws {
        var facts = statvfs()
        guard statvfs(directory, &facts) == 0 else { throw StorageFailure.writing(directory, errno) }
        let free = Int64(clamping: UInt64(facts.f_bavail) * UInt64(facts.f_frsize))
        guard free >= needed + min(margin, needed) else {
            throw VaultError(
                .outOfSpace,
                "\(directory) has \(free >> 20) MiB free; \((needed >> 20) + 1) MiB and some room are needed.",
                remedy: "Free some space, or choose another disk. Nothing was changed.")
        }
    }
}

extension StorageFailure {
    /// As ``opening(_:_:)``, for files that are no vault.
    package static func writing(_ path: String, _ code: Int32) -> VaultError {
        switch code {
        case ENOENT, ENOTDIR:
            VaultError(.notFound, "The directory of \(path) does not exist.", remedy: "Make it first.")
        case EACCES, EPERM:
            VaultError(
                .permissionDenied, "This user may not write \(path).", remedy: "Choose another directory.")
        case ENOSPC, EDQUOT:
            VaultError(
                .outOfSpace, "No space is left for \(path).",
                remedy: "Free some space and try again. Nothing was left behind.")
        case EFBIG:
            VaultError(
                .outOfSpace, "The file \(path) may not grow to the needed size.",
                remedy: "Raise the limit (ulimit -f), or choose another disk. Nothing was left behind.")
        default: opening(path, code)
        }
    }
}
