#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the system knows of a file. Modules that import much else cannot name `stat` dependably: which C
/// module declares it there depends on what was loaded first.
package struct FileFacts: Sendable {
    package let isRegular: Bool
    package let isDirectory: Bool
    /// The nine bits of permission, and the three above.
    package let permissions: UInt32
    package let size: Int
    /// Whether it is root's, and this process is another user's.
    private let isHandedDown: Bool

    /// Whether a secret in it is kept from others: its owner alone may use it. A file that root hands down may be read by a
    /// group, too: container platforms hand secrets over like this, and only root can have chosen the group.
    package var isClosedToOthers: Bool { permissions & (isHandedDown ? 0o037 : 0o077) == 0 }

    /// The command that closes the file at `path` to others.
    package func closing(_ path: String) -> String { "chmod \(isHandedDown ? "440" : "600") \(path)" }

    /// Facts of an open file; nil where the system does not say, with `errno`.
    package init?(of descriptor: Int32) {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { return nil }
        self.init(information)
    }

    /// Of what lies at a path; a symbolic link itself, unless it is followed. nil where there is nothing, with `errno`.
    package init?(at path: String, followingLink: Bool = false) {
        var information = stat()
        guard (followingLink ? stat(path, &information) : lstat(path, &information)) == 0 else { return nil }
        self.init(information)
    }

    private init(_ information: stat) {
        isRegular = information.st_mode & S_IFMT == S_IFREG
        isDirectory = information.st_mode & S_IFMT == S_IFDIR
        permissions = UInt32(information.st_mode) & 0o7777
        size = Int(information.st_size)
        isHandedDown = information.st_uid == 0 && geteuid() != 0
    }
}

/// Reads files of settings, certificates and keys: regular ones, of a size such files have, closed to those they do
/// not concern.
package enum SmallFile {
    /// Permission bits that a file may not have, and the sentence that says so.
    package struct Closed: Sendable {
        let bits: UInt32
        let complaint: String
        let remedy: String

        /// For secrets; a group may read: that is how a certificate client hands keys to the services of a machine.
        package static let toOthersThanGroup = Closed(
            bits: 0o027, complaint: "Others than its owner and group may use", remedy: "chmod 600")
        /// For what decides something.
        package static let toWritingByAnybody = Closed(
            bits: 0o002, complaint: "Anybody may write", remedy: "chmod o-w")
        /// For files that every user may read.
        package static let toNobody = Closed(bits: 0, complaint: "", remedy: "")
    }

    /// The whole file.
    ///
    /// - Parameters:
    ///   - limit: more octets are refused.
    ///   - remedy: what to check when there is no such file.
    package static func read(_ path: String, limit: Int, closed: Closed, remedy: String) throws -> [UInt8] {
        // Without waiting: a pipe nobody writes to would keep us for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure("opened", path, remedy) }
        defer { close(descriptor) }
        guard let facts = FileFacts(of: descriptor), facts.isRegular, facts.size <= limit else {
            throw VaultError(
                .invalidInput, "\(path) is not a regular file of at most \(limit) bytes.", remedy: remedy)
        }
        guard facts.permissions & closed.bits == 0 else {
            throw VaultError(
                .permissionDenied, "\(closed.complaint) the file \(path).",
                remedy: "Run: \(closed.remedy) \(path)")
        }
        guard let bytes = read(descriptor, upTo: limit) else { throw failure("read", path, remedy) }
        guard bytes.count <= limit else {
            throw VaultError(.invalidInput, "\(path) is longer than \(limit) bytes.", remedy: remedy)
        }
        return bytes
    }

    /// What comes from an open file, pipe or terminal, to its end, or until it holds `end` or more than `limit` bytes.
    ///
    /// - Returns: nil where it cannot be read; `errno` says why.
    package static func read(
        _ descriptor: Int32, upTo limit: Int, until end: UInt8? = nil
    ) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(limit + 1, 16 * 1024))
        while bytes.count <= limit, !(end.map(bytes.contains) ?? false) {
            let count = buffer.withUnsafeMutableBytes { systemRead(descriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        return bytes
    }

    private static func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Musl)
            Musl.read(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Darwin)
            Darwin.read(descriptor, buffer.baseAddress, buffer.count)
        #endif
    }

    private static func failure(_ action: String, _ path: String, _ remedy: String) -> VaultError {
        VaultError(
            errno == ENOENT ? .notFound : errno == EACCES ? .permissionDenied : .ioFailure,
            "\(path) cannot be \(action): \(String(cString: strerror(errno))).", remedy: remedy)
    }
}
