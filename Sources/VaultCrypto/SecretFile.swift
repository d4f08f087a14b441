import CSodium
import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A small file with secret octets in one line of text: a label that names format and version, a space, base64url, a
/// newline. Read into memory that is wiped, written for its owner alone.
struct SecretFile: Sendable {
    /// What it is to a person.
    let noun: String
    private let label: [UInt8]
    private let byteCount: Int
    /// Length of the line without its newline.
    private let characterCount: Int
    /// What editors and other systems put around a line, at most: a byte order mark, blanks, ends of line.
    private static let margin = 64
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    private static let blanks = Set(" \t\r\n".utf8)
    private static let newline = UInt8(ascii: "\n")

    init(noun: String, label: String, byteCount: Int) {
        self.noun = noun
        self.label = Array(label.utf8) + [UInt8(ascii: " ")]
        self.byteCount = byteCount
        characterCount = self.label.count + SecretBase64URL.encodedCount(byteCount)
    }

    /// Writes `bytes` into a new file (0600), never over an old one; file and directory are synced.
    func create(_ bytes: UnsafeBufferPointer<UInt8>, at path: String) throws(VaultError) {
        precondition(bytes.count == byteCount, "a line has the length of its format")
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw SystemCall.failure("create the \(noun)", path, errno) }
        let code = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: characterCount + 1) {
            text in
            defer { unsafe sodium_memzero(text.baseAddress, text.count) }
            guard let base = text.baseAddress, let source = bytes.baseAddress else {
                preconditionFailure("an empty line")
            }
            unsafe base.update(from: label, count: label.count)
            unsafe SecretBase64URL.encode(source, count: byteCount, to: base + label.count)
            unsafe text[characterCount] = Self.newline
            return unsafe SystemCall.writeDurably(UnsafeBufferPointer(text), to: descriptor)
        }
        close(descriptor)
        guard code == 0 else {
            unsafe unlink(path)
            throw SystemCall.failure("write the \(noun)", path, code)
        }
        try SystemCall.syncDirectory(of: path)
    }

    /// Reads such a line, spelled as ``create(_:at:)`` does. A byte order mark before it and blanks and ends of line behind
    /// it are passed over.
    ///
    /// - Returns: what `content` is instead, after "it …" and without a word of it; nil when it was read.
    func decode(
        _ content: UnsafeBufferPointer<UInt8>, into bytes: UnsafeMutablePointer<UInt8>
    ) -> String? {
        let start = unsafe content.starts(with: Self.byteOrderMark) ? Self.byteOrderMark.count : 0
        let end = unsafe content.lastIndex { !Self.blanks.contains($0) }.map { $0 + 1 } ?? start
        let line = unsafe UnsafeBufferPointer(rebasing: content[start..<max(start, end)])
        guard unsafe line.starts(with: label), let base = line.baseAddress else {
            return unsafe Self.kind(of: line) ?? "does not begin with \(word)"
        }
        guard content.count <= characterCount + Self.margin else { return "is longer than a \(noun)" }
        guard line.count == characterCount else {
            return
                "has \(line.count - label.count) characters behind \(word), not \(characterCount - label.count)"
        }
        let isRead = unsafe SecretBase64URL.decode(base + label.count, to: bytes, count: byteCount)
        return isRead ? nil : "has characters behind \(word) that are not base64url"
    }

    private var word: String { String(decoding: label.dropLast(), as: UTF8.self) }

    /// What people have given instead.
    private static func kind(of line: UnsafeBufferPointer<UInt8>) -> String? {
        if line.isEmpty { return "is empty" }
        if unsafe line.starts(with: [0xFF, 0xFE]) || line.starts(with: [0xFE, 0xFF]) {
            return "is text in UTF-16, not in UTF-8"
        }
        let known = [
            ("TOKENVAULT-KEY-1 ", "is a key file"),
            ("TOKENVAULT-RECOVERY-1 ", "is the file of a recovery key"),
            ("SQLite format 3", "is a database"), ("-----BEGIN ", "is a PEM file"),
        ]
        if let found = known.first(where: { unsafe line.starts(with: $0.0.utf8) }) { return found.1 }
        return unsafe String(validating: line, as: UTF8.self) == nil ? "is not UTF-8 text" : nil
    }

    /// Lends the content, whatever it is: as much as such a file has, and one octet more to notice a longer one.
    ///
    /// - Parameter isCredential: systemd guards its directory, and access lists may show as group bits.
    func read<Result>(
        at path: String, isCredential: Bool = false,
        _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        // Non-blocking, so that a FIFO is refused below instead of waited for.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw SystemCall.failure("open the \(noun)", path, errno) }
        defer { close(descriptor) }
        guard let facts = FileFacts(of: descriptor) else {
            throw SystemCall.failure("examine the \(noun)", path, errno)
        }
        guard facts.isRegular else {
            throw VaultError(.invalidInput, "\(path) is not a regular file.", remedy: "Name a \(noun).")
        }
        // First: nothing is advised for a file that is another's.
        let result = try unsafe read(descriptor, path, body)
        guard facts.isClosedToOthers || isCredential && facts.permissions & 0o007 == 0 else {
            throw VaultError(
                .permissionDenied, "Users other than its owner may use the \(noun) \(path).",
                remedy: "Run `\(facts.closing(path))`, and find out who may have read it.")
        }
        return result
    }

    /// The same from what is open, to its end.
    func read<Result>(
        _ descriptor: Int32, _ name: String,
        _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: characterCount + Self.margin + 1) {
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

/// Key files: 32 raw bytes, or the text form, a line `TOKENVAULT-KEY-1 <43 characters of base64url>`. Length
/// alone tells the two apart: 32 bytes, or 60 and what stands around them.
enum KeyFile {
    private static let file = SecretFile(
        noun: "key file", label: "TOKENVAULT-KEY-1", byteCount: GuardedKey.byteCount)

    /// A new file in text form.
    static func create(_ key: GuardedKey, at path: String) throws(VaultError) {
        try unsafe key.withBytes { key throws(VaultError) in
            try unsafe file.create(key.bindMemory(to: UInt8.self), at: path)
        }
    }

    /// From a file, which is a systemd credential or is closed to others.
    static func read(at path: String, isCredential: Bool) throws(VaultError) -> GuardedKey {
        try unsafe file.read(at: path, isCredential: isCredential) { content throws(VaultError) in
            try unsafe parse(content, path)
        }
    }

    /// From a pipe or a file that is open, to its end.
    static func read(descriptor: Int32) throws(VaultError) -> GuardedKey {
        let name = "descriptor \(descriptor)"
        return try unsafe file.read(descriptor, name) { content throws(VaultError) in
            try unsafe parse(content, "What comes from \(name)")
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

    private static func parse(
        _ content: UnsafeBufferPointer<UInt8>, _ name: String
    ) throws(VaultError) -> GuardedKey {
        if let key = try? unsafe GuardedKey(copying: UnsafeRawBufferPointer(content)) { return key }
        var problem: String?
        let key = unsafe GuardedKey { slot in
            problem = unsafe file.decode(content, into: slot)
        }
        guard let problem else { return key }
        throw VaultError(
            .invalidInput, "\(name) is not a key file of one line or 32 bytes: it \(problem).",
            remedy: "Name the file that was made when the vault or its keyslot was created.")
    }
}

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
            VaultError(.readOnly, message, remedy: "Choose a writable file system.")
        case ENOSPC, EDQUOT:
            VaultError(.outOfSpace, message, remedy: "Free some space and try again.")
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
