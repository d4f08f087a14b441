import ArgumentParser

/// The keys of the vault: those that open it, and those it works with.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Show, add, test, rotate and recover keys.",
        subcommands: [
            KeySlotCommand.self, KeyRecoveryCommand.self, KeyRotateCommand.self, KeyInventoryCommand.self,
            SigningKeysCommand.self,
        ],
        aliases: ["keys"])
}
