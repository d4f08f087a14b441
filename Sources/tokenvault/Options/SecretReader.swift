import Foundation
import VaultCore

/// Reads a passphrase or a password from a file or a descriptor: the first line, as the bytes it has.
struct SecretReader {
    /// What it is to a person, and the option that names its file is `--<noun>-file`.
    let noun: String
    private let advice: String
    /// What to say where none was given and nobody can be asked.
    let missing: VaultError

    static let passphrase = SecretReader(
        noun: "passphrase", advice: "Use at least 12 characters.",
        missing: VaultError(
            .locked, "No key was given, and there is no terminal to ask for a passphrase on.",
            remedy: "Give --key-file, --passphrase-file, --passphrase-fd or --credential."))
    static let password = SecretReader(
        noun: "password", advice: "Use at least 8 characters.",
        missing: VaultError(
            .invalidInput, "No password was given, and there is no terminal to ask for it on.",
            remedy: "Give --password-file or --password-fd."))

    /// More than any of them (1024 bytes) and its end of line.
    private static let limit = 4096

    func read(file path: String) throws -> SecretBytes {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw VaultError(
                errno == ENOENT ? .notFound : errno == EACCES ? .permissionDenied : .ioFailure,
                "The \(noun) file \(path) cannot be opened: \(String(cString: strerror(errno))).",
                remedy: "Check --\(noun)-file.")
        }
        defer { close(descriptor) }
        guard let facts = FileFacts(of: descriptor), !facts.isDirectory else {
            throw VaultError(.invalidInput, "\(path) is not a file.", remedy: "Check --\(noun)-file.")
        }
        // A pipe of the shell shows modes of its own; only files lie around to be read by others.
        guard !facts.isRegular || facts.permissions & 0o077 == 0 else {
            throw VaultError(
                .permissionDenied, "Others than its owner may read the \(noun) file \(path).",
                remedy: "Run: chmod 600 \(path)")
        }
        return try read(descriptor: descriptor)
    }

    func read(descriptor: Int32) throws -> SecretBytes {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        while bytes.count <= Self.limit, !bytes.contains(Self.newline) {
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw VaultError(
                    .invalidInput, "No \(noun) can be read from descriptor \(descriptor).",
                    remedy: "Connect it, as in: --\(noun)-fd 3 3< FILE")
            }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        var line = bytes.prefix { $0 != Self.newline }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard !line.isEmpty else {
            throw VaultError(.invalidInput, "The \(noun) is empty.", remedy: advice)
        }
        return Secret(Array(line))
    }

    private static let newline = UInt8(ascii: "\n")
}
