import ArgumentParser

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
            ArgumentHelp("Read what a key file holds from this file descriptor.", valueName: "number")
        case .passphraseFile:
            ArgumentHelp("Read the passphrase from the first line of this file.", valueName: "path")
        case .passphraseDescriptor:
            ArgumentHelp("Read the passphrase from this file descriptor.", valueName: "number")
        case .passphrasePrompt: "Ask for the passphrase on the terminal."
        case .credential:
            ArgumentHelp("Use this systemd credential ($CREDENTIALS_DIRECTORY).", valueName: "name")
        case .recoveryFile:
            ArgumentHelp("The file of a recovery key; its passphrase as above.", valueName: "path")
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
