import CVaultShims
import Foundation
import SQLiteStore
import VaultCore

/// Who may read and replace the files of a vault, and what room there is for them.
struct FileExamination {
    /// As the caller named it, and with links followed.
    let path: String
    let resolved: String
    let keyFile: String?

    func checks() -> [DoctorCheck] {
        let vault = vault()
        let keys = keyFile.map { [key($0)] } ?? []
        // Of another's file and directory there is nothing to advise.
        guard vault.code != .notAVault else { return [vault] + keys }
        return [vault] + ["wal", "shm"].map { side("-" + $0, $0) }
            + ["lock", "ballast"].map { side("." + $0, $0) } + [directory(), fileSystem()] + keys
    }

    private func vault() -> DoctorCheck {
        let id = "files.vault"
        var information = stat()
        guard lstat(resolved, &information) == 0 else {
            return .failed(id, StorageFailure.opening(resolved, errno))
        }
        guard information.st_mode & S_IFMT == S_IFREG else {
            return .error(id, .notAVault, "\(resolved) is not a regular file.", "Name the vault file itself.")
        }
        do {
            guard try VaultFile.isVault(resolved) else {
                return .error(id, .notAVault, "\(resolved) is not a vault.", "Check the path of the vault.")
            }
        } catch { return .failed(id, error) }
        guard information.st_mode & 0o077 == 0 else {
            return .error(
                id, .permissionDenied,
                "Users other than its owner may use \(resolved): mode \(Self.mode(information)).",
                "Run: chmod 600 \(resolved)")
        }
        guard geteuid() == 0 || information.st_uid == geteuid() else {
            return .error(
                id, .permissionDenied, "The vault belongs to user \(information.st_uid), not to this one.",
                "Run this as the vault's owner.")
        }
        do { try FoundFile(resolved).checkIsAlone() } catch { return .failed(id, error) }
        guard !Self.isLink(path) else {
            return .advice(
                id, "\(path) is a symbolic link to \(resolved).",
                "Name the file itself in settings: a link can be changed to point elsewhere.")
        }
        return .ok(
            id,
            "A regular file of \(DoctorText.size(Int64(information.st_size))), mode \(Self.mode(information))."
        )
    }

    /// A file that comes and goes beside the vault.
    private func side(_ suffix: String, _ name: String) -> DoctorCheck {
        let id = "files.\(name)"
        let place = resolved + suffix
        var information = stat()
        var vault = stat()
        guard lstat(place, &information) == 0 else {
            guard errno == ENOENT else { return .failed(id, StorageFailure.opening(place, errno)) }
            return .ok(id, "Not there; it is made when needed.")
        }
        guard information.st_mode & S_IFMT == S_IFREG else {
            return .error(
                id, .permissionDenied, "\(place) is not a regular file: it was put there from outside.",
                "Stop the processes that use the vault, inspect the file, and remove it.")
        }
        guard information.st_mode & 0o077 == 0 else {
            return .warning(
                id, "Users other than its owner may use \(place): mode \(Self.mode(information)).",
                "Run: chmod 600 \(place)")
        }
        if lstat(resolved, &vault) == 0, vault.st_uid != information.st_uid {
            return .warning(
                id, "\(place) belongs to user \(information.st_uid), the vault to user \(vault.st_uid).",
                "Run: chown --reference=\(resolved) \(place)")
        }
        return .ok(id, "Mode \(Self.mode(information)), the vault's owner.")
    }

    private func directory() -> DoctorCheck {
        let id = "files.directory"
        let place = VaultFile.directory(of: resolved)
        var information = stat()
        guard stat(place, &information) == 0 else { return .failed(id, StorageFailure.opening(place, errno)) }
        let isSticky = information.st_mode & S_ISVTX != 0
        if information.st_mode & 0o002 != 0, !isSticky {
            return .error(
                id, .permissionDenied, "Every user may rename and replace files in \(place).",
                "Run: chmod 700 \(place)")
        }
        guard information.st_mode & 0o022 == 0 || isSticky else {
            return .warning(
                id, "A group may rename and replace files in \(place).", "Run: chmod 700 \(place)")
        }
        guard access(place, W_OK | X_OK) == 0 else {
            return .failed(id, StorageFailure.opening(place, errno))
        }
        return .ok(id, "Writable for its owner alone.")
    }

    private func fileSystem() -> DoctorCheck {
        let id = "files.system"
        let magic = tv_file_system(resolved)
        guard magic >= 0 else { return .failed(id, StorageFailure.opening(resolved, Int32(-magic))) }
        return FileSystem(magic: UInt32(magic))?.check(id) ?? .ok(id, "A file system of this machine.")
    }

    /// The key file itself; its content is not read.
    private func key(_ place: String) -> DoctorCheck {
        let id = "files.key"
        guard let facts = FileFacts(at: place, followingLink: true) else {
            return .error(
                id, errno == ENOENT ? .notFound : .permissionDenied,
                "The key file \(place) cannot be read: \(String(cString: strerror(errno))).",
                "Check the path of the key file.")
        }
        guard facts.isRegular else {
            return .error(
                id, .invalidInput, "\(place) is not a regular file.", "Check the path of the key file.")
        }
        let mode = String(facts.permissions, radix: 8)
        guard facts.isClosedToOthers else {
            return .error(
                id, .permissionDenied, "Users other than its owner may use \(place): mode \(mode).",
                "If this is the key file, run: \(facts.closing(place))")
        }
        var own = stat()
        var others = stat()
        if stat(VaultFile.directory(of: place), &own) == 0,
            stat(VaultFile.directory(of: resolved), &others) == 0,
            own.st_dev == others.st_dev, own.st_ino == others.st_ino
        {
            return .advice(
                id, "The key file is beside the vault: a copy of the directory has both.",
                "Keep it elsewhere, or use a systemd credential (docs/keys.md).")
        }
        return .ok(id, "Mode \(mode), apart from the vault.")
    }

    private static func isLink(_ path: String) -> Bool {
        var information = stat()
        return lstat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFLNK
    }

    private static func mode(_ information: stat) -> String { String(information.st_mode & 0o7777, radix: 8) }
}

/// What the disk still takes, what is kept back of it, and how long the WAL has grown.
extension FileExamination {
    /// Below this much free space a warning: minutes of a busy service.
    static let scarceBytes: Int64 = 256 << 20
    /// The WAL stays near 16 MiB; several times that means that a reader holds it.
    static let longWALBytes: Int64 = 128 << 20

    func spaceChecks() -> [DoctorCheck] { [free(), ballast(), wal()] }

    private func free() -> DoctorCheck {
        let id = "space.free"
        var information = statvfs()
        guard statvfs(resolved, &information) == 0 else {
            return .failed(id, StorageFailure.failed("statvfs", errno))
        }
        let free = Int64(clamping: UInt64(information.f_bavail) * UInt64(information.f_frsize))
        if information.f_flag & UInt(ST_RDONLY) != 0 {
            return .error(id, .readOnly, "The file system is mounted read-only.", "Remount it for writing.")
        }
        let reserved = FileFacts(at: resolved + ".ballast")?.size ?? 0
        if Ballast.lacksSpace(information, reserved: Int64(reserved)) {
            return .error(
                id, .outOfSpace, "\(DoctorText.size(free)) are free: new grants are refused.",
                "Free some space; new grants are accepted again by themselves.")
        }
        // Some file systems count no files.
        if information.f_files > 0, information.f_favail < 16 {
            return .warning(
                id, "The file system has \(information.f_favail) file entries left.", "Remove files on it.")
        }
        guard free >= Self.scarceBytes else {
            return .warning(
                id, "\(DoctorText.size(free)) are free.", "Free some space before new grants are refused."
            )
        }
        return .ok(id, "\(DoctorText.size(free)) are free.")
    }

    private func ballast() -> DoctorCheck {
        let id = "space.ballast"
        var information = stat()
        guard lstat(resolved + ".ballast", &information) == 0 else {
            return .ok(id, "Not there yet; the next command that opens the vault reserves it.")
        }
        guard information.st_size >= Limits.ballastBytes else {
            return .warning(
                id, "The reserve was released to finish work on a full disk.",
                "Free some space; it is reserved again by itself.")
        }
        return .ok(id, "\(DoctorText.size(Int64(information.st_size))) are reserved for work in flight.")
    }

    private func wal() -> DoctorCheck {
        let id = "space.wal"
        var information = stat()
        guard lstat(resolved + "-wal", &information) == 0 else { return .ok(id, "There is no WAL.") }
        let size = Int64(information.st_size)
        guard size < Self.longWALBytes else {
            return .warning(
                id,
                "The WAL has grown to \(DoctorText.size(size)): a process has been reading the vault for long.",
                "End long readers (sqlite3 shells, copies); the WAL shrinks with the next checkpoint.")
        }
        return .ok(id, "The WAL has \(DoctorText.size(size)).")
    }
}
