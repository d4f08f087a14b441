import ArgumentParser
import Foundation
import VaultCore

/// Reads a passphrase, a password or another secret from a file or a descriptor: the first line, without a byte
/// order mark before it and the end of line (LF or CRLF) behind it.
struct SecretReader {
    /// What it is to a person, and the option that names its file is `--<noun>-file`.
    let noun: String
    /// The beginning of the options that name a source of it.
    let option: String
    private let advice: String
    /// More than any of them and its end of line.
    private let limit: Int
    /// The remedy if none was given and there is no terminal to ask at.
    let missing: VaultError

    static let passphrase = SecretReader(
        "passphrase", advice: longEnough,
        missing: VaultError(
            .locked, "No key was given, and there is no terminal to ask for a passphrase on.",
            remedy: "Give \(KeyOption.list("or", of: KeyOption.unasked))."))
    static let newPassphrase = SecretReader("new passphrase", advice: longEnough)
    static let recoveryPassphrase = SecretReader("recovery passphrase", advice: longEnough)
    static let password = SecretReader("password", advice: "Use at least 8 characters.")
    static let clientSecret = SecretReader(
        "client secret",
        advice: "Write what the provider showed when the client was registered into it.")
    static let accessToken = SecretReader("access token", advice: tokenAdvice, limit: 33 * 1024)
    static let registrationToken = SecretReader("registration token", advice: tokenAdvice)
    static let refreshToken = SecretReader("refresh token", advice: tokenAdvice, limit: 33 * 1024)

    private static let longEnough = "Use at least 12 characters."
    private static let tokenAdvice = "Write the token into the first line of the file."

    private init(_ noun: String, advice: String, limit: Int = 4096, missing: VaultError? = nil) {
        self.noun = noun
        self.advice = advice
        self.limit = limit
        option = "--" + noun.replacing(" ", with: "-")
        self.missing =
            missing
            ?? VaultError(
                .invalidInput, "No \(noun) was given, and there is no terminal to ask for it on.",
                remedy: "Give \(option)-file or \(option)-fd.")
    }

    /// From what the options name; nil where they name nothing.
    func read(file: String?, descriptor: Int32?) throws -> SecretBytes? {
        if let file { return try read(file: file) }
        return try descriptor.map(read(descriptor:))
    }

    func read(file path: String) throws -> SecretBytes {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw VaultError(
                errno == ENOENT ? .notFound : errno == EACCES ? .permissionDenied : .ioFailure,
                "The \(noun) file \(path) cannot be opened: \(String(cString: strerror(errno))).",
                remedy: "Check \(option)-file.")
        }
        defer { close(descriptor) }
        guard let facts = FileFacts(of: descriptor), !facts.isDirectory else {
            throw VaultError(.invalidInput, "\(path) is not a file.", remedy: "Check \(option)-file.")
        }
        // A pipe of the shell shows modes of its own; only files lie around to be read by others.
        guard !facts.isRegular || facts.isClosedToOthers else {
            throw VaultError(
                .permissionDenied, "Users other than its owner may read the \(noun) file \(path).",
                remedy: "Run: \(facts.closing(path))")
        }
        return try read(descriptor: descriptor)
    }

    func read(descriptor: Int32) throws -> SecretBytes {
        guard let bytes = SmallFile.read(descriptor, upTo: limit, until: Self.newline) else {
            throw VaultError(
                .invalidInput, "No \(noun) can be read from descriptor \(descriptor).",
                remedy: "Connect it, as in: \(option)-fd 3 3< FILE")
        }
        var line = bytes.prefix { $0 != Self.newline }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        if line.starts(with: Self.byteOrderMark) { line.removeFirst(Self.byteOrderMark.count) }
        guard !line.isEmpty else {
            throw VaultError(.invalidInput, "The \(noun) is empty.", remedy: advice)
        }
        return Secret(Array(line))
    }

    private static let newline = UInt8(ascii: "\n")
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
}

/// Asks for a passphrase or a password on the terminal, without echo.
extension SecretReader {
    func ask(isNew: Bool) throws -> SecretBytes {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else { throw missing }
        defer { close(terminal) }
        let passphrase = try read(
            terminal,
            isNew
                ? (noun.hasPrefix("new ") ? "N\(noun.dropFirst()): " : "New \(noun): ")
                : "\(noun.capitalized): ")
        guard isNew else { return passphrase }
        let again = try read(terminal, "The same again: ")
        let isSame = passphrase.withExposed { first in again.withExposed { first == $0 } }
        guard isSame else {
            throw VaultError(
                .invalidInput, "The two \(noun)s differ.", remedy: "Nothing was changed; try again.")
        }
        return passphrase
    }

    private func read(_ terminal: Int32, _ prompt: String) throws -> SecretBytes {
        var settings = termios()
        guard tcgetattr(terminal, &settings) == 0 else {
            throw VaultError(.ioFailure, "The terminal does not answer.", remedy: "Give \(option)-file.")
        }
        var quiet = settings
        quiet.c_lflag &= ~tcflag_t(ECHO)
        // Ctrl-C must not leave the person with a terminal that shows nothing.
        let silence = Unfinished {
            tcsetattr(terminal, TCSAFLUSH, &quiet)
            return settings
        } undo: {
            Self.restore(terminal, $0)
        }
        defer {
            Self.restore(terminal, settings)
            silence.finish()
        }
        _ = prompt.withCString { write(terminal, $0, strlen($0)) }
        return try read(descriptor: terminal)
    }

    private static func restore(_ terminal: Int32, _ settings: termios) {
        var settings = settings
        tcsetattr(terminal, TCSAFLUSH, &settings)
        _ = write(terminal, "\n", 1)
    }
}

/// What is given as `-` is read from standard input, so that it shows in no process list.
enum StandardInput {
    /// A name: the argument, or the line on standard input.
    static func name(_ argument: String) throws -> String {
        guard argument == "-" else { return argument }
        // One byte more than a name may have is enough to refuse it.
        var bytes = try read(upTo: Limits.nameBytes + 2)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw VaultError(.invalidInput, "The name on standard input is not UTF-8.")
        }
        return name
    }

    /// Everything there is.
    ///
    /// - Throws: `VaultError.Code.invalidInput` beyond `limit`.
    static func bytes(limit: Int) throws -> [UInt8] {
        let bytes = try read(upTo: limit)
        guard bytes.count <= limit else {
            throw VaultError(.invalidInput, "Standard input is longer than \(limit) bytes.")
        }
        return bytes
    }

    private static func read(upTo limit: Int) throws -> [UInt8] {
        guard let bytes = SmallFile.read(STDIN_FILENO, upTo: limit) else {
            throw VaultError(.ioFailure, "Standard input cannot be read.", remedy: "Pipe it in.")
        }
        return bytes
    }
}
