import ArgumentParser
import TokenVault
import VaultCore
import VaultCustody

/// Moves the vault to another store.
struct MoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Move the vault from its file to PostgreSQL, or back.",
        discussion: """
            Stop every service that uses the vault first, on every machine. All rows are copied in one \
            transaction; then the copy is opened, verified whole, and compared with the vault by the root of its \
            log. If anything fails, run the command again: it finishes the copy, or makes another.

            Afterwards a file has another name, and a database is marked and refuses to be opened, so that \
            nothing serves it by mistake. Remove it when you are sure of the copy. Anchors go with the vault.

            Examples:
              tokenvault move --vault ./vault --to postgres:tokenvault
              tokenvault move --vault postgres:tokenvault --to ./vault
            """)

    @Option(help: ArgumentHelp("Where to: postgres:SERVICE, or a file.", valueName: "path"))
    var to: String
    @Flag(help: "In PostgreSQL: no standby has to confirm a commit, which is lost with the server's disk.")
    var single = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let (source, target) = (try location.place(), try VaultPlace(parsing: to))
        let progress = ShareProgress("move", isJSON: output.isJSON)
        defer { progress.end() }
        let move = VaultMove(
            from: source, to: target, unlockedBy: try location.key.source(), isSingle: single,
            configuration: location.anchored(.command))
        let receipt = try await move.run { progress.report($0) }
        progress.end()
        try output.show(
            Shown([
                .both("from", receipt.source.description), .both("to", receipt.target.description),
                .both("rows", receipt.rows), .both("log_size", receipt.logSize),
                .both("root", receipt.logRoot),
                .both("set_aside", receipt.setAside),
            ]))
        if receipt.isRepeated {
            output.note("An unfinished copy of an earlier try was there: it was finished or replaced.")
        }
        output.note("Name the new place wherever the vault was named: --vault, TOKENVAULT_PATH.")
    }
}
