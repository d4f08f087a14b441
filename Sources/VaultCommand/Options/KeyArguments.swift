import ArgumentParser
import Foundation
import VaultCore
import VaultCrypto

/// What opens the vault: one key, of any kind that a keyslot can have. Never a secret in an argument.
struct KeyArguments: ParsableArguments {
    @Option(
        name: .customLong("key-file"),
        help: ArgumentHelp("The key file (TOKENVAULT_KEY_FILE).", valueName: "path"), completion: .file())
    var keyFile: String?

    @Option(
        name: .customLong("key-fd"),
        help: ArgumentHelp("Read what a key file holds from this file descriptor.", valueName: "number"))
    var keyDescriptor: Int32?

    @Option(
        name: .customLong("passphrase-file"),
        help: ArgumentHelp("Read the passphrase from the first line of this file.", valueName: "path"),
        completion: .file())
    var passphraseFile: String?

    @Option(
        name: .customLong("passphrase-fd"),
        help: ArgumentHelp("Read the passphrase from this file descriptor.", valueName: "number"))
    var passphraseDescriptor: Int32?

    @Flag(
        name: .customLong("passphrase-prompt"),
        help: "Ask for the passphrase on the terminal.")
    var isPassphraseAsked = false

    @Option(
        name: .customLong("credential"),
        help: ArgumentHelp("Use this systemd credential ($CREDENTIALS_DIRECTORY).", valueName: "name"))
    var credential: String?

    @Option(
        name: .customLong("recovery-file"),
        help: ArgumentHelp("The file of a recovery key; its passphrase as above.", valueName: "path"),
        completion: .file())
    var recoveryFile: String?

    @Option(
        name: .customLong("key-exec"),
        help: ArgumentHelp(
            "A program that unwraps the key (TOKENVAULT_KEY_EXEC), by its absolute path.", valueName: "path"),
        completion: .file())
    var program: String?

    func validate() throws {
        let passphrases = [passphraseFile != nil, passphraseDescriptor != nil, isPassphraseAsked].count(
            of: true)
        guard passphrases <= 1 else {
            throw ValidationError(
                "Give one of --passphrase-file, --passphrase-fd and --passphrase-prompt, not several.")
        }
        let others = [keyFile != nil, keyDescriptor != nil, credential != nil, program != nil].count(of: true)
        guard others + passphrases <= 1 else {
            throw ValidationError(Self.severalKeys)
        }
    }

    /// The key file named by option or, when no other key is, by the environment.
    var keyFilePath: String? {
        keyFile ?? (isOtherGiven ? nil : Self.environment("TOKENVAULT_KEY_FILE"))
    }

    /// A key that `serve` takes from its own flags or environment, never from its file of settings.
    var isBeyondSettings: Bool {
        passphraseDescriptor != nil || isPassphraseAsked || keyDescriptor != nil || recoveryFile != nil
    }

    /// Whether there is a key to be had without asking for a passphrase.
    var isGiven: Bool {
        guard !isPassphraseAsked else { return false }
        let isPassphraseGiven = passphraseFile != nil || passphraseDescriptor != nil
        guard recoveryFile == nil else { return isPassphraseGiven }
        return isPassphraseGiven || keyFilePath != nil || keyDescriptor != nil || credential != nil
            || program != nil || Self.environment("TOKENVAULT_KEY_EXEC") != nil
    }

    /// - Parameter isNew: asks for a passphrase twice, because a misspelt one would lock the vault for good.
    func source(isNew: Bool = false) throws -> KeySource {
        guard let recoveryFile else { return try slotSource(isNew: isNew) }
        guard keyFile == nil, keyDescriptor == nil, credential == nil, program == nil
        else { throw VaultError(.invalidInput, Self.severalKeys, remedy: "See --help.") }
        return .recoveryKey(try RecoveryKey(file: recoveryFile, passphrase: try passphrase() ?? ask()))
    }

    /// The same, leaving the recovery file out of account.
    func slotSource(isNew: Bool) throws -> KeySource {
        if let keyDescriptor { return .heldKey(try HeldKey(readingFrom: keyDescriptor)) }
        if let credential { return .systemdCredential(name: credential) }
        if let program = try programPath() { return .program(try KeyProgram(path: program)) }
        if let given = try passphrase(isNew: isNew) { return .passphrase(given) }
        if let keyFilePath { return .keyFile(path: keyFilePath) }
        return .passphrase(try ask(isNew: isNew))
    }

    /// A variable of the environment; an empty one counts as not set.
    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private var isOtherGiven: Bool {
        passphraseFile != nil || passphraseDescriptor != nil || isPassphraseAsked || keyDescriptor != nil
            || credential != nil || program != nil
    }

    private func programPath() throws -> String? {
        if let program { return program }
        guard !isOtherGiven, keyFile == nil, let named = Self.environment("TOKENVAULT_KEY_EXEC") else {
            return nil
        }
        guard Self.environment("TOKENVAULT_KEY_FILE") == nil else {
            throw VaultError(
                .invalidInput, "Both TOKENVAULT_KEY_FILE and TOKENVAULT_KEY_EXEC are set.",
                remedy: "Unset one, or say which: --key-file or --key-exec.")
        }
        return named
    }

    /// The passphrase that the options name; nil where they name none.
    private func passphrase(isNew: Bool = false) throws -> SecretBytes? {
        if let passphraseFile { return try SecretReader.passphrase.read(file: passphraseFile) }
        if let passphraseDescriptor {
            return try SecretReader.passphrase.read(descriptor: passphraseDescriptor)
        }
        return isPassphraseAsked ? try ask(isNew: isNew) : nil
    }

    private func ask(isNew: Bool = false) throws -> SecretBytes {
        try SecretPrompt(.passphrase).ask(isNew: isNew)
    }

    private static let severalKeys =
        "Give one of --key-file, --key-fd, --passphrase-file, --passphrase-fd, --credential, --recovery-file "
        + "and --key-exec, not several; a passphrase also goes with --recovery-file."
}

extension [Bool] {
    func count(of value: Bool) -> Int { count { $0 == value } }
}
