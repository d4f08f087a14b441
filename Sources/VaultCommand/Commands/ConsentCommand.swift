import ArgumentParser
import TokenVault

/// Shows and withdraws what users allowed clients.
struct ConsentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consent", abstract: "Show and withdraw what users allowed clients.",
        discussion:
            "A consent is kept so that the user is not asked again. Its grants are listed by 'tokenvault grant list'.",
        subcommands: [ConsentListCommand.self, ConsentRevokeCommand.self])
}

struct ConsentListCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List consents, oldest first.",
        discussion: """
            Examples:
              tokenvault consent list
              tokenvault consent list --user alice --json
            """)

    @Option(help: "Only those of this user, or - to read the name from standard input.")
    var user: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let userName = try user.map(StandardInput.name)
        try await location.withVault { vault in
            var names = Names(vault)
            var ofUser: [Consent]?
            if let userName {
                ofUser = try await vault.consents.list(ofUser: try await vault.users.find(userName).id)
            }
            try await output.show(
                pages: { last in
                    guard let ofUser else { return try await vault.consents.list(after: last?.id ?? 0) }
                    return last == nil ? ofUser : []
                }, under: ["USER", "CLIENT_ID", "SCOPE", "GRANTED"]
            ) { consent in
                let (client, user) = (
                    try await names.client(consent.client), try await names.user(consent.user)
                )
                return Shown(
                    [
                        .json("client_id", client), .json("granted_at", consent.grantedAt),
                        .json("scope", consent.scope.text), .json("user", user),
                    ],
                    cells: [
                        user ?? "-", client ?? "-", consent.scope.text, "\(Timestamp(consent.grantedAt))",
                    ])
            }
        }
    }
}

struct ConsentRevokeCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Withdraw a consent and revoke its grants.",
        discussion: """
            Examples:
              tokenvault consent revoke --user alice --client mood-tracker
              printf alice | tokenvault consent revoke --user - --client mood-tracker
            """)

    @Option(help: "The user who allowed it, or - to read the name from standard input.")
    var user: String
    @Option(help: "The client it was allowed to (client_id or name).")
    var client: String
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let userName = try StandardInput.name(user)
        try await show { vault in
            let user = try await vault.users.find(userName)
            let client = try await vault.clients.find(client)
            guard let consent = try await vault.consents.find(ofUser: user.id, toClient: client.id) else {
                throw VaultError(
                    .notFound, "The user has allowed this client nothing.",
                    remedy:
                        "See 'tokenvault consent list', and 'tokenvault grant list' for grants without a consent."
                )
            }
            try await vault.consents.withdraw(ofUser: user.id, fromClient: client.id)
            return Shown(
                [
                    .json("client_id", client.clientID), .json("scope", consent.scope.text),
                    .json("user", user.name), .json("withdrawn", true),
                ],
                lines: [
                    "Withdrew what \(Console.harmless(user.name)) allowed \(client.clientID), and revoked the grants."
                ])
        }
    }
}
