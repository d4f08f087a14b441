import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a failed call of the operating system means to a person.
enum SystemCall {
    /// "Could not <action> <path>", with the code that fits `number` and what would help.
    static func failure(_ action: String, _ path: String, _ number: Int32) -> VaultError {
        let reason = unsafe String(cString: strerror(number))
        let message = "Could not \(action) \(path): \(reason)."
        return switch number {
        case EEXIST:
            VaultError(.alreadyExists, message, remedy: "Choose another name; nothing was overwritten.")
        case ENOENT, ENOTDIR:
            VaultError(.notFound, message, remedy: "Check the path.")
        case EACCES, EPERM:
            VaultError(.permissionDenied, message, remedy: "Run as the user that owns it.")
        case EROFS:
            VaultError(.readOnly, message, remedy: "Choose a place on a file system that can be written.")
        case ENOSPC, EDQUOT:
            VaultError(.outOfSpace, message, remedy: "Make space and try again.")
        case ELOOP, ENAMETOOLONG, EISDIR, EINVAL, ENXIO:
            VaultError(.invalidInput, message, remedy: "Check the path.")
        default:
            VaultError(.ioFailure, message)
        }
    }

    /// At most one buffer full: what we read is shorter than any pipe or page.
    static func readOnce(_ descriptor: Int32, into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        unsafe read(descriptor, buffer.baseAddress, buffer.count)
    }

    /// Writes all of `bytes` as a file of mode 0600 and waits for the disk. Returns 0 or an error number.
    static func writeDurably(_ bytes: UnsafeBufferPointer<UInt8>, to descriptor: Int32) -> Int32 {
        // The umask may have taken bits from the mode; a file that its owner cannot read helps nobody.
        guard fchmod(descriptor, 0o600) == 0 else { return errno }
        let count = unsafe write(descriptor, bytes.baseAddress, bytes.count)
        // A few bytes are cut short by nothing but a full disk.
        guard count == bytes.count else { return count < 0 ? errno : ENOSPC }
        return fsync(descriptor) == 0 ? 0 : errno
    }

    /// Makes the entry of `path` in its directory durable.
    static func syncDirectory(of path: String) throws(VaultError) {
        let directory =
            path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open the directory", directory, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync the directory", directory, errno) }
    }
}
