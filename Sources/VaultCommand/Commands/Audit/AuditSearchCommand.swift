import ArgumentParser
import TokenKeeper
import TokenVault
import VaultAudit
import VaultCrypto

struct AuditSearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Find entries by client, user, grant, connection, token, time, outcome or operation.",
        discussion: """
            All given conditions must hold. A token is never an argument: --token reads it from standard input, \
            and the log is searched for its fingerprint. An --operation is a verb such as token.refresh, or its \
            first part, such as token.

            Examples:
              tokenvault audit search --client app --outcome refused
              tokenvault audit search --user alice --since 2026-11-01 --limit 20
              tokenvault audit search --token --json < suspicious-token
              tokenvault audit search --operation connection --connection google/alice
            """)

    @Option(help: ArgumentHelp("Entries by a client, or about its grants.", valueName: "client"))
    var client: String?
    @Option(
        help: ArgumentHelp(
            "Entries by or about a user; - reads the name from standard input.", valueName: "user"))
    var user: String?
    @Option(help: ArgumentHelp("Entries about this grant.", valueName: "number"))
    var grant: Int64?
    @Option(help: ArgumentHelp("Entries about this connection.", valueName: "connection"))
    var connection: String?
    @Flag(help: "Entries about the token on standard input.")
    var token = false
    @Option(help: ArgumentHelp("Entries of this time or later.", valueName: "time"))
    var since: InstantArgument?
    @Option(help: ArgumentHelp("Entries before this time.", valueName: "time"))
    var until: InstantArgument?
    @Option(help: ArgumentHelp("ok, replayed, refused or revoked.", valueName: "outcome"))
    var outcome: String?
    @Option(help: ArgumentHelp("A verb such as token.refresh, or its first part.", valueName: "operation"))
    var operation: String?
    @Option(help: "The first entry to look at.")
    var from: Int64 = 0
    @Option(help: "Maximum number of entries to print (default: all).")
    var limit: Int?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard limit ?? 1 > 0, from >= 0 else {
            throw ValidationError("--limit is at least 1 and --from not negative.")
        }
        let about = [client != nil, user != nil, grant != nil, connection != nil].filter(\.self).count
        guard about <= 1 else {
            throw ValidationError("Give one of --client, --user, --grant and --connection, not several.")
        }
        guard outcome.map(Self.outcomes.contains) ?? true else {
            throw ValidationError("--outcome is one of \(Self.outcomes.joined(separator: ", ")).")
        }
        guard !token || user != "-" else { throw ValidationError("Standard input is the token or the name.") }
    }

    func run() async throws {
        try await location.withKeeper { keeper in
            var entries = keeper.vault.log.entries(
                matching: try await filter(keeper), from: from
            ).makeAsyncIterator()
            try await output.show(
                pages: { (_: AuditEntry?) in
                    try await entries.page(limit: min(limit ?? .max, 1000))
                }, under: Shown.auditHeader, limit: limit
            ) { Shown($0) }
        }
    }

    private func filter(_ keeper: TokenKeeper) async throws -> AuditFilter {
        var filter = AuditFilter()
        if token { filter = keeper.vault.log.filter(token: try Self.readToken()) }
        if let client { filter.restrict(to: try await keeper.vault.log.filter(client: client)) }
        if let user {
            filter.restrict(to: try await keeper.vault.log.filter(user: StandardInput.name(user)))
        }
        if let grant { filter.restrict(to: try await keeper.vault.log.filter(grant: grant)) }
        if let connection {
            var argument = ConnectionArgument()
            argument.name = connection
            filter.restrict(to: try await keeper.vault.log.filter(grant: argument.find(keeper).id.rawValue))
        }
        filter.since = since?.instant
        filter.until = until?.instant
        filter.outcome = outcome
        filter.operation = operation
        return filter
    }

    private static func readToken() throws -> SecretBytes {
        var bytes = try StandardInput.bytes(limit: 64 * 1024)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard !bytes.isEmpty else {
            throw VaultError(.invalidInput, "There is no token on standard input.", remedy: "Pipe it in.")
        }
        return Secret(bytes)
    }

    private static let outcomes = ["ok", "replayed", "refused", "revoked"]
}
