import ArgumentParser
import Foundation
import TokenVault
import VaultCore

/// Shows what is in the vault and how it is.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what is in the vault, its log and its disk.",
        discussion: """
            Counting reads every grant once, about a second per million, and the newest \(ExchangeHistory.leaves) entries of \
            the log. Each bar of 'exchanges' is an hour of the last 24, or less where the log is too full to be read so \
            far back; those of 'expiry' are the live grants that end within an hour, a day, a week, 30 days, 90 days, a \
            year, and later.

            Examples:
              tokenvault status
              tokenvault status --json
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let path = try location.path()
        let (status, slots) = try await location.withVault { (try $0.status(), try $0.keyslots()) }
        try output.show(StatusRecord(status, path: path))
        output.noteMissingRecoveryKey(among: slots)
    }
}
