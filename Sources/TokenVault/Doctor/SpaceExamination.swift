import Foundation
import VaultCore

/// What the disk still takes, what is kept back of it, and how long the WAL has grown.
struct SpaceExamination {
    /// Below this much free space a warning: minutes of a busy service.
    static let scarceBytes: Int64 = 256 << 20
    /// The WAL stays near 16 MiB; several times that means that a reader holds it.
    static let longWALBytes: Int64 = 128 << 20

    let path: String

    func checks() -> [DoctorCheck] { [free(), ballast(), wal()] }

    private func free() -> DoctorCheck {
        let id = "space.free"
        var information = statvfs()
        guard statvfs(path, &information) == 0 else {
            return .failed(id, StorageFailure.failed("statvfs", errno))
        }
        let free = Int64(clamping: UInt64(information.f_bavail) * UInt64(information.f_frsize))
        if information.f_flag & UInt(ST_RDONLY) != 0 {
            return .error(
                id, .readOnly, "The file system is mounted read-only.", "Remount it for writing.")
        }
        if free < Limits.ballastBytes {
            return .error(
                id, .outOfSpace, "\(DoctorText.size(free)) are free: the vault takes no new work.",
                "Free some space; the vault takes new work again by itself.")
        }
        // Some file systems count no files.
        if information.f_files > 0, information.f_favail < 16 {
            return .warning(
                id, "The file system has \(information.f_favail) file entries left.", "Remove files on it.")
        }
        guard free >= Self.scarceBytes else {
            return .warning(
                id, "\(DoctorText.size(free)) are free.", "Free some space before new work has to be refused."
            )
        }
        return .ok(id, "\(DoctorText.size(free)) are free.")
    }

    private func ballast() -> DoctorCheck {
        let id = "space.ballast"
        var information = stat()
        guard lstat(path + ".ballast", &information) == 0 else {
            return .ok(id, "Not there yet; the next command that opens the vault reserves it.")
        }
        guard information.st_size >= Limits.ballastBytes else {
            return .warning(
                id, "The reserve was given up to finish work on a full disk.",
                "Free some space; it is reserved again by itself.")
        }
        return .ok(id, "\(DoctorText.size(Int64(information.st_size))) are kept back for work already begun.")
    }

    private func wal() -> DoctorCheck {
        let id = "space.wal"
        var information = stat()
        guard lstat(path + "-wal", &information) == 0 else { return .ok(id, "There is no WAL.") }
        let size = Int64(information.st_size)
        guard size < Self.longWALBytes else {
            return .warning(
                id, "The WAL has grown to \(DoctorText.size(size)): something reads the vault for long.",
                "End long readers (sqlite3 shells, copies); the WAL shrinks with the next checkpoint.")
        }
        return .ok(id, "The WAL has \(DoctorText.size(size)).")
    }
}
