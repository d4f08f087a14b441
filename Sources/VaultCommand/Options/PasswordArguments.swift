import ArgumentParser
import VaultCore

/// A user's password: from a file, a descriptor, or the terminal. Never an argument.
struct PasswordArguments: ParsableArguments {
    @Option(
        name: .customLong("password-file"),
        help: ArgumentHelp("Read the password from the first line of this file.", valueName: "path"),
        completion: .file())
    var file: String?

    @Option(
        name: .customLong("password-fd"),
        help: ArgumentHelp("Read the password from this file descriptor.", valueName: "number"))
    var descriptor: Int32?

    @Flag(name: .customLong("password-prompt"), help: "Ask for the password on the terminal.")
    var isAsked = false

    func validate() throws {
        guard [file != nil, descriptor != nil, isAsked].count(where: \.self) <= 1 else {
            throw ValidationError(
                "Give one of --password-file, --password-fd and --password-prompt, not several.")
        }
    }

    /// The password; nil: none was named.
    ///
    /// - Throws: `VaultError.Code.invalidInput` when it is empty or of a length no password has.
    func read() throws -> SecretBytes? {
        let password =
            isAsked
            ? try SecretPrompt(.password).ask(isNew: true)
            : try SecretReader.password.read(file: file, descriptor: descriptor)
        guard let password else { return nil }
        let range = Limits.passwordBytes
        guard password.withExposed({ range.contains($0.count) }) else {
            throw VaultError(
                .invalidInput,
                "The password is too short or too long: it has \(range.lowerBound) to \(range.upperBound) bytes.",
                remedy: "Choose another.")
        }
        return password
    }
}
