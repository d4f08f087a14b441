import ArgumentParser
import VaultCore
import VaultCrypto
import VaultCustody

/// Recovery keys: for the day when every other key is lost.
struct KeyRecoveryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recovery", abstract: "Create and test recovery keys.",
        subcommands: [KeyRecoveryCreateCommand.self, KeyRecoveryTestCommand.self])
}

struct KeyRecoveryCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a recovery key in a file, sealed by a passphrase.",
        discussion: """
            The vault keeps only the public half. The new slot counts once the file was read again and opened \
            it. Keep the file off this machine, and the passphrase in a third place; there is no other copy of \
            either.

            Examples:
              tokenvault key recovery create --out /media/safe/recovery
              tokenvault key recovery create --name notary --out ./recovery
            """)

    @Option(help: ArgumentHelp("The file to write.", valueName: "path"), completion: .file())
    var out: String
    @Option(help: ArgumentHelp("Name of the slot (default: its kind).", valueName: "name"))
    var name: String?
    @OptionGroup(title: "Passphrase of the file") var passphrase: NewSecretArguments<NewPassphrase>
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let slot = try await location.withVault { vault in
            let given = try passphrase.read() ?? passphrase.ask()
            try await vault.keys.proveOpenedSlot(isFirstOnly: true)
            return try await vault.keys.createRecoveryKey(named: name, file: out, passphrase: given)
        }
        try output.show(Shown(slot, recoveryFile: out))
        output.note("Move the file to another machine, and keep its passphrase: only you can open it.")
    }
}

struct KeyRecoveryTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Check that a recovery key opens the vault.",
        discussion: """
            Example:
              tokenvault key recovery test --recovery-file /media/safe/recovery
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let key = try location.key.recoveryKey()
        let slot = try await location.withVault(unlockedBy: .recoveryKey(key)) {
            try await $0.keys.proveOpenedSlot()
        }
        try output.show(Shown(slot))
    }
}

extension KeyArguments {
    /// The recovery key that the options name.
    fileprivate func recoveryKey() throws -> RecoveryKey {
        guard recoveryFile != nil, case .recoveryKey(let key) = try source() else {
            throw VaultError(.invalidInput, "No recovery key was named.", remedy: "Give --recovery-file.")
        }
        return key
    }
}
