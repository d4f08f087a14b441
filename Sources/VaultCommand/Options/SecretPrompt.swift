import Foundation
import Synchronization
import VaultCore

/// Asks for a passphrase or a password on the terminal, without echo.
struct SecretPrompt {
    private let reader: SecretReader
    private var noun: String { reader.noun }

    init(_ reader: SecretReader) { self.reader = reader }

    func ask(isNew: Bool) throws -> SecretBytes {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else { throw reader.missing }
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
            throw VaultError(
                .ioFailure, "The terminal does not answer.", remedy: "Give \(reader.option)-file.")
        }
        var quiet = settings
        quiet.c_lflag &= ~tcflag_t(ECHO)
        // Ctrl-C must not leave the person with a terminal that shows nothing.
        Interruption.watch()
        tcsetattr(terminal, TCSAFLUSH, &quiet)
        defer {
            tcsetattr(terminal, TCSAFLUSH, &settings)
            Interruption.ignore()
            _ = write(terminal, "\n", 1)
        }
        _ = prompt.withCString { write(terminal, $0, strlen($0)) }
        var waiting = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
        while poll(&waiting, 1, 100) <= 0 {
            if Interruption.isPending { throw ExitStatus.interrupted }
        }
        let answer = Result { try reader.read(descriptor: terminal) }
        guard !Interruption.isPending else { throw ExitStatus.interrupted }
        return try answer.get()
    }
}

/// Remembers an interrupt instead of dying of it.
private enum Interruption {
    private static let pending = Atomic<Bool>(false)

    static var isPending: Bool { pending.load(ordering: .acquiring) }

    static func watch() {
        signal(SIGINT) { _ in Interruption.pending.store(true, ordering: .releasing) }
    }

    static func ignore() {
        signal(SIGINT, SIG_DFL)
    }
}
