import ArgumentParser
import TokenVault
import VaultCore

/// Adds, lists and changes users.
struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Add, list and change users.",
        discussion:
            "A user name given as - is read from standard input, so that it shows in no process list.",
        subcommands: [
            UserAddCommand.self, UserListCommand.self, UserSetPasswordCommand.self,
            UserRevokeTokensCommand.self, UserDisableCommand.self, UserEnableCommand.self,
            UserRemoveCommand.self, UserEraseCommand.self,
        ])
}

/// The user a command is about.
struct UserArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The user's name, or - to read it from standard input.", valueName: "user"))
    var name: String

    func read() throws -> String { try StandardInput.name(name) }
}

struct UserAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a user.",
        discussion: """
            A user with a password can sign in on the bundled page; one without comes from elsewhere.

            Examples:
              tokenvault user add alice --password-prompt
              printf alice | tokenvault user add -
              tokenvault user add alice --password-fd 3 3< password
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup(title: "Password") var password: PasswordArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        let password = try password.read()
        let record = try await location.withVault { vault in
            let added = try await vault.addUser(name)
            if let password { try await vault.setPassword(ofUser: name, password) }
            return try UserRecord(added, vault)
        }
        try output.show(record)
    }
}

struct UserListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the users, in order of creation.",
        discussion: "Example:\n  tokenvault user list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withVault { vault in
            var page = try vault.users()
            try output.show(page.map { try UserRecord($0, vault) })
            while let last = page.last, page.count == 1000 {
                page = try vault.users(after: last.id)
                try output.showNext(page.map { try UserRecord($0, vault) })
            }
        }
    }
}

struct UserDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Refuse a user's grants until the user is enabled again.",
        discussion: "Example:\n  tokenvault user disable alice")

    @OptionGroup var user: UserArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        let record = try await location.withVault { vault in
            try UserRecord(await vault.setUser(name, enabled: false), vault)
        }
        try output.show(record)
    }
}

struct UserEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Accept a disabled user's grants again.",
        discussion: "Example:\n  tokenvault user enable alice")

    @OptionGroup var user: UserArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        let record = try await location.withVault { vault in
            try UserRecord(await vault.setUser(name, enabled: true), vault)
        }
        try output.show(record)
    }
}

struct UserRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a user and revoke the user's grants. Cannot be undone.",
        discussion: """
            With - the name comes from standard input and the confirmation is - too.

            Examples:
              tokenvault user remove alice --confirm alice
              printf alice | tokenvault user remove - --confirm -
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(user.name, consequence: "Removing a user revokes all the user's grants")
        let name = try user.read()
        try await location.withVault { try await $0.removeUser(name) }
        try output.show(RemovedRecord(removed: name))
    }
}
