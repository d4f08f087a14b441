public import ArgumentParser
public import TokenVault

struct GrantCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Authorize, show and revoke grants.",
        discussion:
            "A grant is what one user allowed one client. Refreshes rotate its tokens; the grant stays.",
        subcommands: [
            GrantAuthorizeCommand.self, GrantListCommand.self, GrantShowCommand.self, GrantRevokeCommand.self,
        ])
}

struct GrantListCommand: AsyncParsableCommand, VaultWork {
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
    @Option(help: "Only grants after this number.")
    var after: Int64 = 0
    @Option(help: "Maximum number of grants to print (default: all).")
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
            var (user, holder): (OwnerID?, OwnerID?)
            if let client { holder = try await vault.clients.find(client).id }
            if let userName { user = try await vault.users.find(userName).id }
            var names = Names(vault)
            // What state a grant is in depends on its user, its client and the time: each is looked at.
            let page = state == nil ? min(limit ?? 1000, 1000) : 1000
            try await output.show(
                pages: { last in
                    try await vault.grants.list(
                        owner: user, client: holder, after: last?.id ?? GrantID(after), limit: page)
                },
                under: ["GRANT", "STATE", "CLIENT_ID", "USER", "GENERATION", "SCOPE"], limit: limit,
                where: { state == nil || $0.state == state }
            ) { try await Shown($0, &names) }
        }
    }
}

extension Grant.State: ExpressibleByArgument {}

struct GrantShowCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one grant, without its tokens.",
        discussion: "Example:\n  tokenvault grant show 17")

    @Argument(help: ArgumentHelp("The number of the grant.", valueName: "grant"))
    var number: Int64
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await show { vault in
            let found = try await vault.grants.find(GrantID(number))
            var names = Names(vault)
            return try await Shown(found, &names)
        }
    }
}

struct GrantRevokeCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke a grant. Its tokens are refused from then on.",
        discussion: "Example:\n  tokenvault grant revoke 17")

    @Argument(help: ArgumentHelp("The number of the grant.", valueName: "grant"))
    var number: Int64
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await show { vault in
            try await vault.grants.revoke(GrantID(number))
            var names = Names(vault)
            return try await Shown(vault.grants.find(GrantID(number)), &names)
        }
    }
}

struct GrantAuthorizeCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "authorize", abstract: "Issue an authorization code, shown once.",
        discussion: """
            Standard output gets the code alone, so that a script may write CODE=$(tokenvault grant authorize …).

            Examples:
              tokenvault grant authorize --client mood-tracker --user alice --scope basic
              tokenvault grant authorize --client mood --user alice --code-challenge "$C"
            """)

    @Option(help: "The client (client_id or name).")
    var client: String
    @Option(help: "The user who consented, or - to read the name from standard input.")
    var user: String
    @Option(help: "Scope that the user allows, separated by spaces (default: the client's whole scope).")
    var scope: String?
    @Option(help: ArgumentHelp("A redirect URI of the client (default: the only one).", valueName: "uri"))
    var redirectURI: String?
    @Option(
        name: .customLong("code-challenge"),
        // One base64url text in 64 begins with a dash.
        parsing: .unconditional,
        help: ArgumentHelp("PKCE challenge, method S256 (RFC 7636).", valueName: "challenge"))
    var codeChallenge: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let userName = try StandardInput.name(user)
        let asked = try scope.map(ScopeArgument.scope)
        try await show { vault in
            let scope: ScopeSet
            if let asked {
                scope = asked
            } else {
                scope = try await vault.clients.find(client).registration.scope
            }
            let code = try await vault.authorize(
                Authorization(
                    client: client, user: userName, scope: scope, redirectURI: redirectURI,
                    codeChallenge: codeChallenge))
            var shown = Shown(
                [
                    .json("code", code.code.text), .json("expires_in", code.expiresIn),
                    .json("grant", code.grant.rawValue),
                ], lines: [code.code.text])
            shown.notes = [
                "Grant \(code.grant). The code is shown only now and is valid for \(code.expiresIn) seconds."
            ]
            return shown
        }
    }
}

extension Shown {
    /// A grant, with the names of its user and client while these are not removed.
    fileprivate init(_ grant: Grant, _ names: inout Names) async throws {
        let client = try await names.client(grant.client)
        let user = try await names.user(grant.owner)
        self.init(
            [
                .both("grant", grant.id.rawValue), .both("state", grant.state.rawValue),
                .both("client", client, label: "client_id", missing: "-"), .both("user", user, missing: "-"),
                .both("kind", word(grant.kind)), .both("scope", grant.scope.text),
                .both("generation", grant.generation), .both("created_at", grant.createdAt),
                .both("idle_expires_at", grant.idleExpiresAt),
                .both("absolute_expires_at", grant.absoluteExpiresAt),
                .both("access_expires_at", grant.accessExpiresAt, missing: "-"),
            ],
            cells: [
                "\(grant.id)", grant.state.rawValue, client ?? "-", user ?? "-", "\(grant.generation)",
                grant.scope.text,
            ])
    }
}
