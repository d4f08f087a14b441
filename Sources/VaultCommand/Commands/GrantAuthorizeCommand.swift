import ArgumentParser
import TokenVault
import VaultCore

/// Issues an authorization code for a user who consented elsewhere.
struct GrantAuthorizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "authorize",
        abstract: "Issue an authorization code, shown once.",
        discussion: """
            Standard output gets the code alone, so that a script may write CODE=$(tokenvault grant authorize …).

            Examples:
              tokenvault grant authorize --client mood-tracker --user alice --scope basic
              tokenvault grant authorize --client phone-app --user alice --scope basic --code-challenge "$CHALLENGE"
            """)

    @Option(help: "The client (client_id or name).")
    var client: String
    @Option(help: "The user who consented, or - to read the name from standard input.")
    var user: String
    @Option(help: "What the user allows, separated by spaces; all the client is registered for by default.")
    var scope: String?
    @Option(
        name: .customLong("redirect-uri"),
        help: ArgumentHelp(
            "One the client has registered; may be left out when it has just one.", valueName: "uri"))
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
        let code = try await location.withVault { vault in
            let scope = try asked ?? vault.client(client).registration.scope
            return try await vault.authorize(
                Authorization(
                    client: client, user: userName, scope: scope, redirectURI: redirectURI,
                    codeChallenge: codeChallenge))
        }
        try output.show(CodeRecord(code))
        output.note("Grant \(code.grant). The code is shown this once and lives \(code.expiresIn) seconds.")
    }
}

/// A code as printed: `{"code":"tv_ac_…","expires_in":60,"grant":17}`.
private struct CodeRecord: Record {
    let code: String
    /// Seconds.
    let expiresIn: Int64
    let grant: Int64

    init(_ authorizationCode: AuthorizationCode) {
        code = authorizationCode.code.shown
        expiresIn = authorizationCode.expiresIn
        grant = authorizationCode.grant.rawValue
    }

    var lines: [String] { [code] }
}
