import CSodium
import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Key files: 32 raw bytes, or the text form, a line `TOKENVAULT-KEY-1 <43 characters of base64url>`.
///
/// Length alone tells the two apart: 32 bytes, or 60 with an optional newline.
enum KeyFile {
    private static let label = Array("TOKENVAULT-KEY-1 ".utf8)
    private static let textCount = label.count + SecretBase64URL.encodedCount(GuardedKey.byteCount)
    private static let newline = UInt8(ascii: "\n")

    /// A new file (0600) in text form, never over an old one; file and directory are synced.
    static func create(_ key: GuardedKey, at path: String) throws(VaultError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw SystemCall.failure("create the key file", path, errno) }
        let code = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: textCount + 1) { text in
            guard let base = text.baseAddress else { return ENOMEM }
            unsafe base.update(from: label, count: label.count)
            unsafe key.withPointer { key in
                unsafe SecretBase64URL.encode(key, count: GuardedKey.byteCount, to: base + label.count)
            }
            unsafe text[textCount] = newline
            defer { unsafe sodium_memzero(base, text.count) }
            return unsafe SystemCall.writeDurably(UnsafeBufferPointer(text), to: descriptor)
        }
        close(descriptor)
        guard code == 0 else {
            unsafe unlink(path)
            throw SystemCall.failure("write the key file", path, code)
        }
        try SystemCall.syncDirectory(of: path)
    }

    /// Credentials live in a directory that systemd guards, where access lists may show as group bits.
    static func read(at path: String, isCredential: Bool) throws(VaultError) -> GuardedKey {
        // Non-blocking, so that a FIFO is refused below instead of waited for.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw SystemCall.failure("open the key file", path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw SystemCall.failure("examine the key file", path, errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw VaultError(.invalidInput, "\(path) is not a regular file.", remedy: "Name a key file.")
        }
        guard status.st_mode & (isCredential ? 0o007 : 0o077) == 0 else {
            throw VaultError(
                .permissionDenied, "Others than its owner may use the key file \(path).",
                remedy: "Run `chmod 600 \(path)`, and ask who may have read it.")
        }
        // One byte more than the longest form, to notice a longer file.
        return try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: textCount + 2) {
            buffer throws(VaultError) in
            defer { unsafe sodium_memzero(buffer.baseAddress, buffer.count) }
            let count = unsafe SystemCall.readOnce(descriptor, into: buffer)
            guard count >= 0 else { throw SystemCall.failure("read the key file", path, errno) }
            guard let key = unsafe parse(UnsafeBufferPointer(rebasing: buffer[..<count])) else {
                throw VaultError(
                    .invalidInput, "\(path) is not a key file: neither 32 bytes nor a TOKENVAULT-KEY-1 line.",
                    remedy: "Name the file that was made when the vault or its keyslot was created.")
            }
            return key
        }
    }

    /// The file `name` in `$CREDENTIALS_DIRECTORY`.
    static func readCredential(named name: String) throws(VaultError) -> GuardedKey {
        guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")), name != ".", name != ".." else {
            throw VaultError(.invalidInput, "A systemd credential is a plain file name, without slashes.")
        }
        guard let directory = unsafe getenv("CREDENTIALS_DIRECTORY") else {
            throw VaultError(
                .notFound, "$CREDENTIALS_DIRECTORY is not set.",
                remedy: "Run as a systemd unit with LoadCredential= or LoadCredentialEncrypted=.")
        }
        return try read(at: "\(unsafe String(cString: directory))/\(name)", isCredential: true)
    }

    private static func parse(_ content: UnsafeBufferPointer<UInt8>) -> GuardedKey? {
        if let key = try? unsafe GuardedKey(copying: UnsafeRawBufferPointer(content)) { return key }
        let hasNewline = unsafe content.last == newline
        guard content.count == textCount + (hasNewline ? 1 : 0), unsafe content.starts(with: label),
            let base = content.baseAddress
        else { return nil }
        var isCanonical = false
        let key = unsafe GuardedKey { slot in
            isCanonical = unsafe SecretBase64URL.decode(
                base + label.count, to: slot, count: GuardedKey.byteCount)
        }
        return isCanonical ? key : nil
    }
}
