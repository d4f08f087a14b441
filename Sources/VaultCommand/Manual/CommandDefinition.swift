import ArgumentParser
import Foundation
import VaultCore

/// A command as the parser defines it: what manual pages are written from, so that they cannot say anything else.
struct CommandDefinition: Decodable {
    let commandName: String
    /// Names of the commands above, the program first.
    let superCommands: [String]?
    let abstract: String?
    let discussion: String?
    let shouldDisplay: Bool
    let subcommands: [CommandDefinition]?
    let arguments: [Parameter]?

    /// An argument, an option or a flag.
    struct Parameter: Decodable {
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable {
            let kind: String
            let name: String

            var text: String { (kind == "long" ? "--" : "-") + name }
        }

        let kind: Kind
        let shouldDisplay: Bool
        let sectionTitle: String?
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let preferredName: Name?
        let valueName: String?
        let defaultValue: String?
        let allValues: [String]?
        let abstract: String?
        let discussion: String?
    }

    /// The words by which it is called: `["tokenvault", "client", "add"]`.
    var words: [String] { (superCommands ?? []) + [commandName] }

    /// What is shown of the commands below.
    var visibleSubcommands: [CommandDefinition] { (subcommands ?? []).filter(\.shouldDisplay) }

    /// This command and all below it.
    var all: [CommandDefinition] { [self] + visibleSubcommands.flatMap(\.all) }

    /// The whole program. The parser's own `help` explains itself where it is.
    static func program() throws -> CommandDefinition {
        struct Dump: Decodable { let command: CommandDefinition }
        let text = TokenVaultCommand._dumpHelp()
        guard let dump = try? JSONDecoder().decode(Dump.self, from: Data(text.utf8)) else {
            throw VaultError(
                .internalError, "The parser describes its commands in a way this version does not know.")
        }
        return dump.command
    }

    /// The command that these words name, below this one.
    func find(_ words: [String]) -> CommandDefinition? {
        guard let first = words.first else { return self }
        return visibleSubcommands.first { $0.commandName == first }?.find(Array(words.dropFirst()))
    }
}
