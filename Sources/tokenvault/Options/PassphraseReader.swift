import Foundation
import VaultCore

/// Reads a passphrase from a file or a descriptor: the first line, as the bytes it has.
enum PassphraseReader {
    /// More than any passphrase (1024 bytes) and its end of line.
    private static let limit = 4096

    static func read(file path: String) throws -> SecretBytes {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw VaultError(
                errno == ENOENT ? .notFound : errno == EACCES ? .permissionDenied : .ioFailure,
                "The passphrase file \(path) cannot be opened: \(String(cString: strerror(errno))).",
                remedy: "Check --passphrase-file.")
        }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT != S_IFDIR else {
            throw VaultError(.invalidInput, "\(path) is not a file.", remedy: "Check --passphrase-file.")
        }
        // A pipe of the shell shows modes of its own; only files lie around to be read by others.
        guard information.st_mode & S_IFMT != S_IFREG || information.st_mode & 0o077 == 0 else {
            throw VaultError(
                .permissionDenied, "Others than its owner may read the passphrase file \(path).",
                remedy: "Run: chmod 600 \(path)")
        }
        return try read(descriptor: descriptor)
    }

    static func read(descriptor: Int32) throws -> SecretBytes {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        while bytes.count <= limit, !bytes.contains(newline) {
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw VaultError(
                    .invalidInput, "No passphrase can be read from descriptor \(descriptor).",
                    remedy: "Connect it, as in: --passphrase-fd 3 3< FILE")
            }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        var line = bytes.prefix { $0 != newline }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard !line.isEmpty else {
            throw VaultError(.invalidInput, "The passphrase is empty.", remedy: "Use at least 12 characters.")
        }
        return Secret(Array(line))
    }

    private static let newline = UInt8(ascii: "\n")
}
