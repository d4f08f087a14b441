import ArgumentParser
import TokenVault
import VaultCore

/// Gives a user a password, or takes it away.
struct UserSetPasswordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-password", abstract: "Give a user a new password, or take it away.",
        discussion: """
            Whoever is signed in with the old one is signed out. Without an option you are asked on the terminal.

            Examples:
              tokenvault user set-password alice
              tokenvault user set-password alice --password-file ./password
              tokenvault user set-password alice --remove
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup(title: "Password") var password: PasswordArguments
    @Flag(help: "Take the password away: the user cannot sign in on the bundled page.")
    var remove = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        let isGiven = password.file != nil || password.descriptor != nil || password.isAsked
        guard !(remove && isGiven) else {
            throw ValidationError("Give a new password or --remove, not both.")
        }
    }

    func run() async throws {
        let name = try user.read()
        var asked = password
        asked.isAsked = password.file == nil && password.descriptor == nil
        let new = remove ? nil : try asked.read()
        let record = try await location.withVault { vault in
            try await vault.setPassword(ofUser: name, new)
            return try UserRecord(vault.user(named: name), vault)
        }
        try output.show(record)
    }
}

/// Ends everything a user allowed.
struct UserRevokeTokensCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke-tokens", abstract: "Revoke every token of a user, at once.",
        discussion: """
            Every grant of the user ends, and every sign-in; the user stays and may allow clients again.

            Examples:
              tokenvault user revoke-tokens alice
              printf alice | tokenvault user revoke-tokens - --json
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        let record = try await location.withVault { vault in
            try UserRecord(await vault.revokeGrants(ofUser: name), vault)
        }
        try output.show(record)
        output.note("Every token of the user is dead.")
    }
}
