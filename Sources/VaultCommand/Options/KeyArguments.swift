import ArgumentParser
import Foundation
import TokenVault
import VaultCrypto
import VaultCustody

/// The options that name a key. Lists of them in help, checks and error texts follow from this one.
enum KeyOption: String, CaseIterable {
    case keyFile = "key-file"
    case keyDescriptor = "key-fd"
    case passphraseFile = "passphrase-file"
    case passphraseDescriptor = "passphrase-fd"
    case passphrasePrompt = "passphrase-prompt"
    case credential
    case recoveryFile = "recovery-file"
    case program = "key-exec"

    var name: NameSpecification { .customLong(rawValue) }
    /// For the key of a new keyslot.
    var newName: NameSpecification { .customLong("new-" + rawValue) }

    var help: ArgumentHelp {
        switch self {
        case .keyFile: ArgumentHelp("The key file (TOKENVAULT_KEY_FILE).", valueName: "path")
        case .keyDescriptor:
            ArgumentHelp("Read a key file's content from this file descriptor.", valueName: "number")
        case .passphraseFile:
            ArgumentHelp("Read the passphrase from the first line of this file.", valueName: "path")
        case .passphraseDescriptor:
            ArgumentHelp("Read the passphrase from this file descriptor.", valueName: "number")
        case .passphrasePrompt: "Ask for the passphrase on the terminal."
        case .credential:
            ArgumentHelp("Use this systemd credential ($CREDENTIALS_DIRECTORY).", valueName: "name")
        case .recoveryFile:
            ArgumentHelp("The file of a recovery key; give its passphrase as above.", valueName: "path")
        case .program:
            ArgumentHelp(
                "A program that unwraps the key (TOKENVAULT_KEY_EXEC), by its absolute path.",
                valueName: "path")
        }
    }

    /// Where its value is kept; nil where that is no text.
    var text: WritableKeyPath<KeyArguments, String?>? {
        switch self {
        case .keyFile: \.keyFile
        case .passphraseFile: \.passphraseFile
        case .credential: \.credential
        case .recoveryFile: \.recoveryFile
        case .program: \.program
        case .keyDescriptor, .passphraseDescriptor, .passphrasePrompt: nil
        }
    }

    /// The member of the settings of `serve`; nil for what is a flag only.
    var setting: Setting? { Setting(rawValue: rawValue) }

    /// The passphrase of a keyslot, or of the recovery file.
    static let passphrases: Set<KeyOption> = [.passphraseFile, .passphraseDescriptor, .passphrasePrompt]
    /// A keyslot can be made for these.
    static let ofNewSlots: [KeyOption] = [
        .keyFile, .passphraseFile, .passphraseDescriptor, .passphrasePrompt, .credential, .program,
    ]
    /// Each of these opens a vault without a question.
    static let unasked = allCases.filter { $0 != .passphrasePrompt && $0 != .recoveryFile }

    /// "--key-file, --key-fd and --key-exec".
    static func list(_ word: String, of options: [KeyOption] = allCases, prefix: String = "") -> String {
        let names = options.map { "--" + prefix + $0.rawValue }
        return names.dropLast().joined(separator: ", ") + " \(word) " + (names.last ?? "")
    }
}

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
                remedy: "Unset one, or give --key-file or --key-exec.")
        }
        return named
    }

    /// The passphrase that the options name, or one that is asked for.
    private func passphrase(isNew: Bool) throws -> SecretBytes {
        try SecretReader.passphrase.read(file: passphraseFile, descriptor: passphraseDescriptor)
            ?? SecretReader.passphrase.ask(isNew: isNew)
    }

    private static let severalKeys =
        "Give one of \(KeyOption.list("and")), not several; a passphrase also goes with --recovery-file."
}

/// What a new keyslot is made for.
struct NewKeyArguments: ParsableArguments {
    @Option(
        name: KeyOption.keyFile.newName, help: ArgumentHelp("A key file.", valueName: "path"),
        completion: .file())
    var keyFile: String?
    @Flag(name: .customLong("create"), help: "Create the key file named by --new-key-file.")
    var createsKeyFile = false
    @OptionGroup var passphrase: NewSecretArguments<NewPassphrase>
    @Option(
        name: KeyOption.credential.newName,
        help: ArgumentHelp("A systemd credential ($CREDENTIALS_DIRECTORY).", valueName: "name"))
    var credential: String?
    @Option(
        name: KeyOption.program.newName,
        help: ArgumentHelp("A program that wraps the key, by its absolute path.", valueName: "path"),
        completion: .file())
    var program: String?

    func validate() throws {
        let given = [keyFile != nil, passphrase.isGiven, credential != nil, program != nil]
        guard given.count(where: \.self) == 1 else {
            throw ValidationError(
                "Give one new key: \(KeyOption.list("or", of: KeyOption.ofNewSlots, prefix: "new-")).")
        }
        guard !createsKeyFile || keyFile != nil else {
            throw ValidationError("--create needs the name of the key file: --new-key-file.")
        }
    }

    /// Adds the slot; a key file that was made for it is removed again when that fails.
    func add(to vault: Vault, named name: String?, for roles: VaultRoles) async throws -> VaultKeyslot {
        let given = try passphrase.read()
        if createsKeyFile, let keyFile { try Vault.createKeyFile(at: keyFile) }
        do {
            // A passphrase that lies in a file has to come out of it a second time.
            return try await vault.keys.addSlot(
                named: name, unlockedBy: source(given),
                provedBy: source(passphrase.source.file == nil ? given : passphrase.read()),
                for: roles)
        } catch {
            if createsKeyFile, let keyFile, (error as? VaultError)?.code != .outcomeUnknown {
                unlink(keyFile)
            }
            throw error
        }
    }

    private func source(_ passphrase: SecretBytes?) throws -> KeySource {
        if let program { return .program(try KeyProgram(path: program)) }
        if let credential { return .systemdCredential(name: credential) }
        if let keyFile { return .keyFile(path: keyFile) }
        guard let passphrase else { throw VaultError(.internalError, "No new key was given.") }
        return .passphrase(passphrase)
    }
}
