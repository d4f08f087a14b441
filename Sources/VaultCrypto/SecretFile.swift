import CSodium
import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Small files that hold a secret: read into memory that is wiped, written for their owner alone.
struct SecretFile {
    /// What it is to a person.
    let noun: String
    /// Octets that such a file has at most.
    let limit: Int

    /// A new file (0600), never over an old one; file and directory are synced.
    func create(_ content: UnsafeBufferPointer<UInt8>, at path: String) throws(VaultError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw SystemCall.failure("create the \(noun)", path, errno) }
        let code = unsafe SystemCall.writeDurably(content, to: descriptor)
        close(descriptor)
        guard code == 0 else {
            unsafe unlink(path)
            throw SystemCall.failure("write the \(noun)", path, code)
        }
        try SystemCall.syncDirectory(of: path)
    }

    /// Lends the content, one octet more than the limit at most, to notice a longer file.
    ///
    /// - Parameter forbidden: permission bits that the file may not have.
    func read<Result>(
        at path: String, forbidden: mode_t = 0o077,
        _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        // Non-blocking, so that a FIFO is refused below instead of waited for.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw SystemCall.failure("open the \(noun)", path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw SystemCall.failure("examine the \(noun)", path, errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw VaultError(.invalidInput, "\(path) is not a regular file.", remedy: "Name a \(noun).")
        }
        // First: nothing is advised for a file that is another's.
        let result = try unsafe read(descriptor, path, body)
        guard status.st_mode & forbidden == 0 else {
            throw VaultError(
                .permissionDenied, "Others than its owner may use the \(noun) \(path).",
                remedy: "Run `chmod 600 \(path)`, and ask who may have read it.")
        }
        return result
    }

    /// The same from what is open, to its end.
    func read<Result>(
        _ descriptor: Int32, _ name: String,
        _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: limit + 1) {
            buffer throws(VaultError) in
            defer { unsafe sodium_memzero(buffer.baseAddress, buffer.count) }
            var filled = 0
            while filled < buffer.count {
                let rest = unsafe UnsafeMutableBufferPointer(rebasing: buffer[filled...])
                let count = unsafe SystemCall.readOnce(descriptor, into: rest)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw SystemCall.failure("read the \(noun)", name, errno) }
                if count == 0 { break }
                filled += count
            }
            return try unsafe body(UnsafeBufferPointer(rebasing: buffer[..<filled]))
        }
    }
}
