import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import TokenKeeper
import TokenVault
import UnixSignals

struct RefreshCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refresh", abstract: "Keep the tokens of connections fresh.",
        subcommands: [RefreshRunCommand.self])
}

/// Refreshes what is due until it is stopped.
struct RefreshRunCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Refresh tokens before they expire, and send revocations, until stopped.",
        discussion: """
            SIGTERM and SIGINT end it gracefully: answers to calls in flight are stored first. Several may run \
            on one vault, beside 'tokenvault serve' and other commands; they share refreshes. The log goes to \
            standard error, without tokens.

            Examples:
              tokenvault refresh run
              tokenvault refresh run --role keeper --key-file ./keeper.key
              tokenvault refresh run --calls 64 --log-format json --ready-file refreshing
            """)

    @Option(
        help: ArgumentHelp(
            "Maximum number of calls in flight, to all providers together.", valueName: "number"))
    var calls = KeeperServiceConfiguration().calls
    @Option(
        help: ArgumentHelp("Create this file once it works, and remove it at the end.", valueName: "path"),
        completion: .file())
    var readyFile: String?
    @Option(help: "Log entries of this level and above.")
    var logLevel = Logger.Level.info
    @Option(help: "Format of the log; json is one object a line.")
    var logFormat = LogFormat.text
    @Option(help: "Hold only the keys of this role; keeper is enough to refresh.")
    var role = VaultRoles.everything
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard (1...10_000).contains(calls) else { throw ValidationError("--calls is 1 to 10000.") }
        guard [.everything, .keeper].contains(role) else {
            throw ValidationError("--role is everything or keeper.")
        }
    }

    func run() async throws {
        let logger = logFormat.logger(logLevel)
        let ready = try readyFile.map { try ReadyFile(preparing: $0) }
        defer { ready?.remove() }
        try await network.withTransport { transport in
            try await location.withVault(.service("tokenvault refresh run", .command, logger), for: role) {
                try await refresh(TokenKeeper(vault: $0, transport: transport), logger, ready)
            }
        }
    }

    /// Without ``VaultService``: its heartbeat says that tokens of ours are being served, which only `serve` does.
    private func refresh(_ keeper: TokenKeeper, _ logger: Logger, _ ready: ReadyFile?) async throws {
        keeper.vault.warnOfUnlockedKeys()
        var configuration = KeeperServiceConfiguration()
        configuration.calls = calls
        let notices = SupervisorNotices { [output = output] in
            output.announce(
                Shown([.json("state", "refreshing")], lines: ["refreshing"]),
                line: "tokenvault refresh run \(getpid())", in: ready, logger)
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(service: KeeperService(keeper, configuration: configuration)),
                    .init(service: notices),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
        await keeper.finish()
    }
}
