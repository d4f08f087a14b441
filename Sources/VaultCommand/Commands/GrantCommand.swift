public import ArgumentParser
public import TokenVault
import VaultCore

/// Authorizes, shows and revokes grants.
struct GrantCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant",
        abstract: "Authorize, show and revoke grants.",
        discussion: "A grant is what one user allowed one client: it lives through all its refreshes.",
        subcommands: [
            GrantAuthorizeCommand.self, GrantListCommand.self, GrantShowCommand.self, GrantRevokeCommand.self,
        ])
}

struct GrantListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List grants, in order of issue.",
        discussion: """
            Examples:
              tokenvault grant list --user alice
              tokenvault grant list --state live --client mood-tracker --limit 20 --json
            """)

    @Option(help: "Only those of this client (client_id or name).")
    var client: String?
    @Option(help: "Only those of this user, or - to read the name from standard input.")
    var user: String?
    @Option(help: "Only those that are live, revoked, expired or suspended.")
    var state: Grant.State?
    @Option(help: "Only those after this grant.")
    var after: Int64 = 0
    @Option(help: "At most so many.")
    var limit: Int?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard limit ?? 1 > 0, after >= 0 else {
            throw ValidationError("--limit is at least 1 and --after not negative.")
        }
    }

    func run() async throws {
        let userName = try user.map(StandardInput.name)
        try await location.withVault { vault in
            var filter = GrantFilter()
            filter.client = try client.map { try vault.client($0).id }
            filter.owner = try userName.map { try vault.user(named: $0).id }
            filter.after = GrantID(after)
            var names = try OwnerNames(vault)
            var left = limit ?? .max
            var records: [GrantRecord] = []
            while left > 0 {
                // What state a grant is in depends on its user, its client and the time: each is looked at.
                filter.limit = state == nil ? min(left, 1000) : 1000
                let page = try vault.grants(filter)
                let found = page.filter { state == nil || $0.state == state }.prefix(left)
                records += try found.map { try names.record($0) }
                guard let last = page.last, page.count == filter.limit else { break }
                filter.after = last.id
                left -= found.count
                if output.isJSON {
                    try output.showNext(records)
                    records = []
                }
            }
            try output.show(records)
        }
    }
}

extension Grant.State: ExpressibleByArgument {}

/// The grant a command is about.
struct GrantArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The number of the grant.", valueName: "grant"))
    var number: Int64
}

struct GrantShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one grant. There is no token in it.",
        discussion: "Example:\n  tokenvault grant show 17")

    @OptionGroup var grant: GrantArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let record = try await location.withVault { vault in
            let found = try vault.grant(GrantID(grant.number))
            var names = try OwnerNames(vault)
            return try names.record(found)
        }
        try output.show(record)
    }
}

struct GrantRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke a grant: its tokens are dead when the command returns.",
        discussion: "Example:\n  tokenvault grant revoke 17")

    @OptionGroup var grant: GrantArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let record = try await location.withVault { vault in
            try await vault.revokeGrant(GrantID(grant.number))
            var names = try OwnerNames(vault)
            return try names.record(vault.grant(GrantID(grant.number)))
        }
        try output.show(record)
    }
}
