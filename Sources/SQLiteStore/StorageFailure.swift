import CSQLite
import Foundation
package import VaultCore

/// Turns what the operating system and SQLite say into errors that say what to do. No value of a row is
/// repeated.
package enum StorageFailure {
    package static func opening(_ path: String, _ code: Int32) -> VaultError {
        switch code {
        case ENOENT:
            VaultError(
                .notFound, "There is no vault at \(path).",
                remedy: "Check the path of the vault, or create a vault.")
        case EACCES, EPERM:
            VaultError(
                .permissionDenied, "This user may not open \(path).",
                remedy: "Run as the vault's owner; the directory must be writable for it.")
        case EROFS:
            VaultError(
                .readOnly, "\(path) is on a read-only file system.",
                remedy: "Remount it for writing, or copy the vault to a writable disk.")
        case ENOSPC, EDQUOT:
            VaultError(.outOfSpace, "No space is left for \(path).", remedy: "Free some space and try again.")
        case EISDIR:
            VaultError(.notAVault, "\(path) is a directory.", remedy: "Name the vault file itself.")
        case ELOOP:
            VaultError(
                .permissionDenied, "\(path) is a symbolic link, which is not followed here.",
                remedy: "Name the file itself.")
        default: failed("open of \(path)", code)
        }
    }

    package static func failed(_ action: String, _ code: Int32) -> VaultError {
        VaultError(
            .ioFailure, "The \(action) failed: \(String(cString: strerror(code))).",
            remedy: "Check the disk and the system log.")
    }

    /// The error a caller sees for one of SQLite's.
    ///
    /// - Parameter isOpening: the file was never open yet, so what SQLite cannot open it may not open.
    package static func translate(_ error: any Error, isOpening: Bool = false) -> VaultError {
        if let error = error as? VaultError { return error }
        if let lost = error as? LostFiles { return lost.error }
        guard let error = error as? SQLiteError else {
            return VaultError(.internalError, "Unexpected failure of type \(type(of: error)).")
        }
        // The memory-index file of the WAL cannot grow (SQLITE_IOERR_SHMSIZE, a macro): SQLite calls that an I/O error, but it
        // is a full disk.
        let isFull = error.kind == SQLITE_FULL || error.code == SQLITE_IOERR | 19 << 8
        return switch error.kind {
        case _ where isFull:
            VaultError(
                .outOfSpace, "The disk is full; nothing was changed.",
                remedy: "Free some space; new grants are accepted again by themselves.")
        case SQLITE_IOERR:
            VaultError(
                .ioFailure, "The disk failed; nothing was changed.",
                remedy: "Check the disk and the system log.")
        case SQLITE_BUSY, SQLITE_LOCKED: VaultLock.busy
        case SQLITE_READONLY:
            VaultError(
                .readOnly, "The vault's file cannot be written.",
                remedy: "Check that the file system is mounted for writing and that this user owns the file.")
        case SQLITE_CANTOPEN where isOpening:
            VaultError(
                .permissionDenied,
                "The vault's file, or the directory around it, cannot be opened for writing.",
                remedy: "Run as the vault's owner; the directory must be writable for it.")
        case SQLITE_NOTADB:
            VaultError(.notAVault, "The file is not a vault.", remedy: "Check the path of the vault.")
        case SQLITE_CORRUPT:
            VaultError(
                .integrity, "The database file is damaged.",
                remedy: "Stop the service, keep a copy of the file, and restore a backup.")
        case SQLITE_ERROR, SQLITE_CONSTRAINT:
            // Our statements are the same for every vault: it is the tables that are not.
            VaultError(
                .integrity,
                "The database differs from what was written (SQLite code \(error.code)).",
                remedy: "Verify the audit log, examine the vault, then restore a backup.")
        case SQLITE_MISUSE:
            // The connection was closed under a reader: by close(), or to find out about a failed commit.
            VaultError(
                .unavailable, "The vault is closed, or is being opened again.",
                remedy: "Try again in a moment.")
        case SQLITE_CANTOPEN, SQLITE_NOMEM, SQLITE_PROTOCOL, SQLITE_INTERRUPT:
            VaultError(
                .unavailable, "The machine has no descriptors, memory or locks left; nothing was changed.",
                remedy: "Try again in a moment; if it persists, raise the limits.")
        default:
            VaultError(
                .internalError, "SQLite refused a statement (code \(error.code)).")
        }
    }

    /// Whether a failed statement means that the whole batch is lost, not only its body.
    package static func concernsStorage(_ error: any Error) -> Bool {
        guard let error = error as? SQLiteError else { return false }
        return switch error.kind {
        case SQLITE_FULL, SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_READONLY, SQLITE_NOMEM, SQLITE_NOTADB,
            SQLITE_PROTOCOL, SQLITE_CANTOPEN:
            true
        default: false
        }
    }
}
