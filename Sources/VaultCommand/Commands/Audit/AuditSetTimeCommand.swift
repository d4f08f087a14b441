import ArgumentParser
import Foundation
import VaultAudit
import VaultCore

/// Puts the log's time right after the clock was ahead.
struct AuditSetTimeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-time", abstract: "Set the log's time back to the clock, after the clock was ahead.",
        discussion: """
            The log's time never goes back by itself: after one entry from a clock that was ahead, it stands \
            still until the clock reaches it. Entries keep both times, so nothing is lost meanwhile. Check the \
            clock first. Without --confirm the command shows both times and changes nothing.

            Example:
              tokenvault audit set-time --reason "RTC battery" --confirm 2026-11-29
            """)

    @Option(help: "The reason; it is kept sealed with the entry.")
    var reason: String
    @Option(help: ArgumentHelp("Today's date in UTC.", valueName: "date"))
    var confirm: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withVault { vault in
            let time = try await vault.log.time()
            guard time.isAhead else {
                throw VaultError(
                    .denied, "The log's time is not ahead of the clock: there is nothing to correct.")
            }
            let today = String("\(Timestamp(time.wall))".prefix(10))
            guard confirm == today else {
                throw VaultError(
                    .confirmationRequired,
                    "The log's time is \(Timestamp(time.log)), the clock says \(Timestamp(time.wall)).",
                    remedy: "If the clock is right, give its date: --confirm \(today)")
            }
            try await vault.log.setTime(reason: reason)
            try output.show(Shown([.both("before", time.log), .both("after", time.wall)]))
        }
    }
}
