import ArgumentParser
import Foundation
import VaultCore
import VaultCrypto

/// What opens the vault: one key, of any kind that a keyslot can have. Never a secret in an argument.
struct KeyArguments: ParsableArguments {
    @Option(name: KeyOption.keyFile.name, help: KeyOption.keyFile.help, completion: .file())
    var keyFile: String?
    @Option(name: KeyOption.keyDescriptor.name, help: KeyOption.keyDescriptor.help)
    var keyDescriptor: Int32?
    @Option(name: KeyOption.passphraseFile.name, help: KeyOption.passphraseFile.help, completion: .file())
    var passphraseFile: String?
    @Option(name: KeyOption.passphraseDescriptor.name, help: KeyOption.passphraseDescriptor.help)
    var passphraseDescriptor: Int32?
    @Flag(name: KeyOption.passphrasePrompt.name, help: KeyOption.passphrasePrompt.help)
    var isPassphraseAsked = false
    @Option(name: KeyOption.credential.name, help: KeyOption.credential.help)
    var credential: String?
    @Option(name: KeyOption.recoveryFile.name, help: KeyOption.recoveryFile.help, completion: .file())
    var recoveryFile: String?
    @Option(name: KeyOption.program.name, help: KeyOption.program.help, completion: .file())
    var program: String?

    /// With `init` a recovery file is one to be made, so only ``source()`` refuses it beside another key.
    func validate() throws {
        guard given.subtracting([.recoveryFile]).count <= 1 else { throw ValidationError(Self.severalKeys) }
    }

    /// The options that were given.
    var given: Set<KeyOption> {
        Set(
            KeyOption.allCases.filter { option in
                switch option {
                case .keyDescriptor: keyDescriptor != nil
                case .passphraseDescriptor: passphraseDescriptor != nil
                case .passphrasePrompt: isPassphraseAsked
                default: option.text.map { self[keyPath: $0] != nil } ?? false
                }
            })
    }

    /// The key file named by option or, when no other key is, by the environment.
    var keyFilePath: String? {
        keyFile ?? (isSlotNamed ? nil : Self.environment("TOKENVAULT_KEY_FILE"))
    }

    /// Whether there is a key to be had without asking for a passphrase.
    var isGiven: Bool {
        guard !isPassphraseAsked else { return false }
        guard recoveryFile == nil else { return !given.isDisjoint(with: KeyOption.passphrases) }
        return isSlotNamed || keyFilePath != nil || Self.environment("TOKENVAULT_KEY_EXEC") != nil
    }

    func source() throws -> KeySource {
        guard let recoveryFile else { return try slotSource(isNew: false) }
        guard given.subtracting([.recoveryFile]).isSubset(of: KeyOption.passphrases) else {
            throw VaultError(.invalidInput, Self.severalKeys, remedy: "See --help.")
        }
        return .recoveryKey(try RecoveryKey(file: recoveryFile, passphrase: passphrase(isNew: false)))
    }

    /// The key, leaving the recovery file out of account.
    ///
    /// - Parameter isNew: asks for a passphrase twice, because a misspelt one would lock the vault for good.
    func slotSource(isNew: Bool) throws -> KeySource {
        if let keyDescriptor { return .heldKey(try HeldKey(readingFrom: keyDescriptor)) }
        if let credential { return .systemdCredential(name: credential) }
        if let program = try programPath() { return .program(try KeyProgram(path: program)) }
        if let keyFilePath { return .keyFile(path: keyFilePath) }
        return .passphrase(try passphrase(isNew: isNew))
    }

    /// A variable of the environment; an empty one counts as not set.
    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private var isSlotNamed: Bool { !given.subtracting([.recoveryFile]).isEmpty }

    private func programPath() throws -> String? {
        guard program == nil, !isSlotNamed, let named = Self.environment("TOKENVAULT_KEY_EXEC") else {
            return program
        }
        guard Self.environment("TOKENVAULT_KEY_FILE") == nil else {
            throw VaultError(
                .invalidInput, "Both TOKENVAULT_KEY_FILE and TOKENVAULT_KEY_EXEC are set.",
                remedy: "Unset one, or say which: --key-file or --key-exec.")
        }
        return named
    }

    /// The passphrase that the options name, or one that is asked for.
    private func passphrase(isNew: Bool) throws -> SecretBytes {
        try SecretReader.passphrase.read(file: passphraseFile, descriptor: passphraseDescriptor)
            ?? SecretPrompt(.passphrase).ask(isNew: isNew)
    }

    private static let severalKeys =
        "Give one of \(KeyOption.list("and")), not several; a passphrase also goes with --recovery-file."
}
