import ArgumentParser
import Foundation
import VaultCore

/// Prints manual pages, or writes all of them into a directory.
struct ManCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man", abstract: "Print the manual page of a command, or write all of them.",
        discussion: """
            The pages are written from the same definitions as --help and the completion scripts.

            Examples:
              tokenvault man audit verify | man -l -
              tokenvault man --directory /usr/local/share/man/man1
            """)

    @Argument(help: "The command; tokenvault itself without any.")
    var command: [String] = []
    @Option(
        help: ArgumentHelp("Write every page into this directory, which is there.", valueName: "path"),
        completion: .directory)
    var directory: String?
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard directory == nil || command.isEmpty else {
            throw ValidationError("Give a command or --directory, not both.")
        }
    }

    func run() throws {
        let program = try CommandDefinition.program()
        guard let directory else {
            guard let page = program.find(command) else {
                throw VaultError(
                    .notFound, "There is no command '\(command.joined(separator: " "))'.",
                    remedy: "See 'tokenvault help'.")
            }
            let lines = page.manual
            return try output.show(
                Shown(
                    [
                        .json("name", page.manualFile),
                        .json("source", lines.joined(separator: "\n") + "\n"),
                    ], lines: lines))
        }
        let written = try program.all.map { page in
            let path = "\(directory)/\(page.manualFile)"
            do {
                let source = page.manual.joined(separator: "\n") + "\n"
                try Unfinished.whole {
                    try Data(source.utf8).write(to: URL(filePath: path), options: .atomic)
                }
            } catch {
                throw VaultError(
                    .ioFailure, "\(path) cannot be written.",
                    remedy: "Make the directory first, and see who may write there.")
            }
            return Shown([.json("page", path)], cells: [path])
        }
        try output.show(written, under: ["PAGE"])
    }
}

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
