import ArgumentParser
import Foundation
import VaultCore

/// Prints manual pages, or writes all of them into a directory.
struct ManCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man",
        abstract: "Print the manual page of a command, or write all of them.",
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
            guard let definition = program.find(command) else {
                throw VaultError(
                    .notFound, "There is no command '\(command.joined(separator: " "))'.",
                    remedy: "See 'tokenvault help'.")
            }
            let page = ManualPage(definition: definition)
            return try output.show(ManualRecord(name: page.file, source: page.source))
        }
        let pages = program.all.map { ManualPage(definition: $0) }
        for page in pages { try Self.write(page, in: directory) }
        try output.show(pages.map { WrittenPage(page: "\(directory)/\($0.file)") })
    }

    private static func write(_ page: ManualPage, in directory: String) throws {
        let path = "\(directory)/\(page.file)"
        do {
            try Data(page.source.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw VaultError(
                .ioFailure, "\(path) cannot be written.",
                remedy: "Make the directory first, and see who may write there.")
        }
    }
}

/// A page as printed: `{"name":"tokenvault-status.1","source":"…"}`.
private struct ManualRecord: Record {
    let name: String
    let source: String

    var lines: [String] {
        source.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast()
    }
}

/// A page that was written: `{"page":"man1/tokenvault.1"}`.
private struct WrittenPage: ListRecord {
    let page: String

    static let header = ["PAGE"]
    var cells: [String] { [page] }
}
