import ArgumentParser
import Foundation
import GuardedFetch
import TokenKeeper
import VaultCore
import VaultCrypto

/// The `tokenvault` command: everything an operator does with a vault, and the server.
@main
struct TokenVaultCommand: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "tokenvault",
        abstract: "Store, issue and rotate OAuth 2 tokens in an encrypted vault, with a verifiable log.",
        discussion: """
            Data goes to standard output, everything else to standard error. With --json every command prints one \
            JSON object, lists print one object per line.

            Where the vault is and what opens it:
              --vault PATH       or TOKENVAULT_PATH
              --key-file PATH    or TOKENVAULT_KEY_FILE; without a key, you are asked

            Exit codes:
              0 done             5 locked         10 confirmation required
              1 internal error   6 busy           11 partly done
              2 usage            7 integrity      12 outcome unknown
              3 not found        8 storage       130 interrupted
              4 denied           9 unavailable
            See also 'tokenvault help exit-codes', 'help error CODE' and 'help secrets'.

            Start with:
              tokenvault init --vault ./vault --key-file ./vault.key --create-key-file
            """,
        version: version,
        groupedSubcommands: [
            CommandGroup(
                name: "Vault",
                subcommands: [
                    InitCommand.self, StatusCommand.self, DoctorCommand.self, KeyCommand.self,
                    BackupCommand.self, RestoreCommand.self, MoveCommand.self,
                ]),
            CommandGroup(
                name: "Issuer",
                subcommands: [
                    ServeCommand.self, ClientCommand.self, UserCommand.self, GrantCommand.self,
                    ConsentCommand.self, ScopeCommand.self,
                ]),
            CommandGroup(
                name: "Keeper",
                subcommands: [
                    ProviderCommand.self, ConnectionCommand.self, RefreshCommand.self, WebhookCommand.self,
                ]),
            CommandGroup(name: "Audit", subcommands: [AuditCommand.self, ReportCommand.self]),
            CommandGroup(name: "Help", subcommands: [ExplainCommand.self, ManCommand.self]),
        ])

    static func main() async {
        FetcherProcess.runIfStarted()
        Interruption.watch()
        Foundation.exit(await Self.run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }

    private static func run(_ arguments: [String]) async -> ExitStatus {
        let report = FailureReport(isJSON: arguments.contains("--json"))
        do {
            try ProcessHardening.disableCoreDumps()
            return try await perform(arguments, report)
        } catch let error as VaultError {
            report.show(error)
            return ExitStatus(error.code)
        } catch let error as KeeperError {
            report.show(error)
            return ExitStatus(error.code)
        } catch let status as ExitStatus {
            return status
        } catch {
            // The text of a foreign error might hold anything; its type says enough for a report.
            report.show(VaultError(.internalError, "Unexpected failure of type \(type(of: error))."))
            return .internalError
        }
    }

    private static func perform(_ arguments: [String], _ report: FailureReport) async throws -> ExitStatus {
        var command: any ParsableCommand
        let arguments = ExplainCommand.spelledOut(arguments)
        try CommandWords.check(arguments)
        do {
            command = try await asyncParseAsRoot(arguments)
        } catch {
            return try answer(error, report)
        }
        do {
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch  where exitCode(for: error) == .success {
            return try answer(error, report)
        }
        return .done
    }

    /// Help, version and completion scripts arrive as errors too.
    private static func answer(_ error: any Error, _ report: FailureReport) throws -> ExitStatus {
        guard exitCode(for: error) == .success else {
            report.showUsage(message(for: error), help: fullMessage(for: error))
            return .usage
        }
        try Console.print(CommandWords.optionsFirst(fullMessage(for: error)))
        return .done
    }
}
