import ArgumentParser
import TokenVault
import VaultCore

/// Shows and withdraws what users allowed clients.
struct ConsentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consent",
        abstract: "Show and withdraw what users allowed clients.",
        discussion:
            "A consent is remembered, so that the user is not asked again; grants are what came of it.",
        subcommands: [ConsentListCommand.self, ConsentRevokeCommand.self])
}

struct ConsentListCommand: AsyncParsableCommand {
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
            var names = try OwnerNames(vault)
            if let userName {
                let consents = try vault.consents(of: vault.user(named: userName).id)
                return try output.show(consents.map { try names.record($0) })
            }
            var page = try vault.consents()
            try output.show(page.map { try names.record($0) })
            while let last = page.last, page.count == 1000 {
                page = try vault.consents(after: last.id)
                try output.showNext(page.map { try names.record($0) })
            }
        }
    }
}

struct ConsentRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Withdraw a consent and revoke the grants that came of it.",
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
        let record = try await location.withVault { vault in
            let user = try vault.user(named: userName)
            let client = try vault.client(client)
            guard let consent = try vault.consent(of: user.id, to: client.id) else {
                throw VaultError(
                    .notFound, "The user has allowed this client nothing.",
                    remedy:
                        "See 'tokenvault consent list', and 'tokenvault grant list' for what was allowed otherwise."
                )
            }
            try await vault.withdrawConsent(of: user.id, from: client.id)
            return WithdrawnRecord(consent, client: client.clientID, user: user.name)
        }
        try output.show(record)
    }
}

/// A consent as printed: `{"client_id":"…","granted_at":"…","scope":"basic","user":"alice"}`.
struct ConsentRecord: ListRecord {
    let clientId: String?
    let user: String?
    let scope: String
    let grantedAt: Timestamp

    static let header = ["USER", "CLIENT_ID", "SCOPE", "GRANTED"]
    var cells: [String] { [user ?? "-", clientId ?? "-", scope, grantedAt.description] }
}

/// A consent that is gone: `{"client_id":"…","scope":"basic","user":"alice","withdrawn":true}`.
private struct WithdrawnRecord: Record {
    let clientId: String
    let user: String
    let scope: String
    let withdrawn = true

    init(_ consent: Consent, client: String, user: String) {
        clientId = client
        self.user = user
        scope = consent.scope.text
    }

    var lines: [String] {
        ["Withdrew what \(Console.harmless(user)) allowed \(clientId), and revoked the grants."]
    }

    private enum CodingKeys: CodingKey { case clientId, user, scope, withdrawn }
}
