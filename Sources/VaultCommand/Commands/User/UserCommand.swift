import ArgumentParser
import TokenIssuer
import TokenVault
import VaultCore
import VaultCustody

struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Add, list and change users.",
        discussion: """
            With - a user's name is read from standard input, so that no process list shows it. Every spelling \
            finds it: Alice, ALICE and alice are one user. A name has one script and no invisible characters.
            """,
        subcommands: [
            UserAddCommand.self, UserListCommand.self, UserShowCommand.self, UserSetCommand.self,
            UserSetPasswordCommand.self,
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

/// The password as it is kept.
///
/// - Throws: `VaultError.Code.invalidInput` when it is empty or of a length no password has.
private func checkedPassword(_ password: SecretBytes) throws -> SecretBytes {
    let password = try password.opaqueString("password")
    let range = Limits.passwordBytes
    guard password.withExposed({ range.contains($0.count) }) else {
        throw VaultError(
            .invalidInput,
            "The password is too short or too long: it has \(range.lowerBound) to \(range.upperBound) bytes.",
            remedy: "Choose another.")
    }
    return password
}

struct UserAddCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a user.",
        discussion: """
            A user with a password can sign in on the bundled page; a user without one signs in elsewhere.

            Examples:
              tokenvault user add alice --password-prompt
              tokenvault user add alice --email alice@example.com --email-verified
              printf alice | tokenvault user add -
              tokenvault user add alice --password-fd 3 3< password
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup(title: "Claims") var claims: ClaimArguments
    @OptionGroup(title: "Password") var password: NewSecretArguments<Password>
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        let password = try password.read().map(checkedPassword)
        var new = UserClaims()
        claims.apply(to: &new)
        try new.check()
        try await show { [new] vault in
            let added = try await vault.users.add(name)
            if new != UserClaims() { try await vault.users.setClaims(of: name) { $0 = new } }
            if let password { try await vault.users.setPassword(password, of: name) }
            return try await Shown(added, vault, telling: new == UserClaims() ? nil : new)
        }
    }
}

struct UserShowCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a user, and what applications learn of the user.",
        discussion: """
            With the scopes "profile" and "email" applications learn what is set; "subject" is the user's name \
            towards them.

            Example:
              tokenvault user show alice
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        try await show { vault in
            let found = try await vault.users.find(name)
            return try await Shown(found, vault, telling: vault.users.claims(of: found.id))
        }
    }
}

struct UserSetCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set the claims about a user that applications get.",
        discussion: """
            Applications get them by the scopes "profile" and "email", at their next sign-in or refresh. A new \
            address is unverified until you give --email-verified.

            Examples:
              tokenvault user set alice --email alice@example.com --email-verified
              tokenvault user set alice --name "Alice A." --locale en-GB
              tokenvault user set alice --email ""
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup(title: "What applications learn") var claims: ClaimArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard claims.isGiven else { throw ValidationError("There is nothing to set: give an option.") }
    }

    func run() async throws {
        let name = try user.read()
        try await show { [claims] vault in
            let set = try await vault.users.setClaims(of: name) { claims.apply(to: &$0) }
            return try await Shown(vault.users.find(name), vault, telling: set)
        }
    }
}

struct UserListCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the users, in order of creation.",
        discussion: "Example:\n  tokenvault user list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withVault { vault in
            try await output.show(
                pages: { try await vault.users.list(after: $0?.id ?? .system) },
                under: ["USER", "STATE", "PASSWORD", "CREATED"]
            ) { try await Shown($0, vault) }
        }
    }
}

struct UserSetPasswordCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "set-password", abstract: "Set a user's password, or remove it.",
        discussion: """
            Sessions that were begun with the old password end. Without an option you are asked on the terminal.

            Examples:
              tokenvault user set-password alice
              tokenvault user set-password alice --password-file ./password
              tokenvault user set-password alice --remove
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup(title: "Password") var password: NewSecretArguments<Password>
    @Flag(help: "Remove the password: the user cannot sign in on the bundled page.")
    var remove = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard !remove || !password.isGiven else {
            throw ValidationError("Give a new password or --remove, not both.")
        }
    }

    func run() async throws {
        let name = try user.read()
        let new = remove ? nil : try checkedPassword(password.read() ?? password.ask())
        try await show { vault in
            try await vault.users.setPassword(new, of: name)
            return try await Shown(vault.users.find(name), vault)
        }
    }
}

struct UserRevokeTokensCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "revoke-tokens", abstract: "Revoke every token of a user, at once.",
        discussion: """
            Every grant and session of the user ends; the user stays, and may allow clients again.

            Examples:
              tokenvault user revoke-tokens alice
              printf alice | tokenvault user revoke-tokens - --json
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        try await show { vault in
            var shown = try await Shown(await vault.users.revokeGrants(of: name), vault)
            shown.notes = ["Every token of the user is revoked."]
            return shown
        }
    }
}

struct UserDisableCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Refuse a user's grants until the user is enabled again.",
        discussion: "Example:\n  tokenvault user disable alice")

    @OptionGroup var user: UserArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        try await show { try await Shown(await $0.users.disable(name), $0) }
    }
}

struct UserEnableCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Accept a disabled user's grants again.",
        discussion: "Example:\n  tokenvault user enable alice")

    @OptionGroup var user: UserArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let name = try user.read()
        try await show { try await Shown(await $0.users.enable(name), $0) }
    }
}

struct UserRemoveCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a user and revoke the user's grants. Cannot be undone.",
        discussion: """
            With - the name comes from standard input, and the confirmation is - too.

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
        try await show {
            try await $0.users.remove(name)
            return Shown(removed: name)
        }
    }
}

struct UserEraseCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "erase",
        abstract: "Destroy a user's key and everything sealed under it. Cannot be undone.",
        discussion: """
            Name, grants, connections and the personal data of the log become unreadable, in the database and \
            its WAL. The log keeps its entries under a pseudonym without a name, and every proof stays valid. \
            Earlier backups can open the data while they and their keys exist; the command shows until when.

            Tokens of the user's connections stay valid at the providers: run 'connection revoke' first.

            Examples:
              tokenvault user erase alice --confirm alice
              printf alice | tokenvault user erase - --confirm - --json
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(user.name, consequence: "Erasing a user destroys the user's key")
        let name = try user.read()
        try await show { Shown(try await $0.users.erase(name), of: name) }
    }
}

extension Shown {
    /// `{"created_at":"…","has_password":true,"state":"active","user":"alice"}`, with the claims that there are.
    fileprivate init(_ user: User, _ vault: Vault, telling claims: UserClaims? = nil) async throws {
        let hasPassword = try await vault.users.hasPassword(user.id)
        let password = hasPassword ? "set" : "none"
        var fields: [Field] = [
            .both("user", user.name), .both("state", "\(user.state)"),
            .both("has_password", hasPassword, label: "password", as: password),
            .both("created_at", user.createdAt),
        ]
        if let claims {
            fields += [
                .both("subject", vault.users.subject(of: user.id)), .both("name", claims.name),
                .both("preferred_username", claims.preferredUsername), .both("email", claims.email),
                .both("email_verified", claims.email.map { _ in claims.isEmailVerified }),
                .both("locale", claims.locale),
            ]
        }
        self.init(
            fields, cells: [user.name, "\(user.state)", password, "\(Timestamp(user.createdAt))"])
    }

    /// `{"backups":2,"backups_kept_until":"…","connections":0,"erased":"alice","grants":1}`
    fileprivate init(_ erasure: Erasure, of name: String) {
        var older = "none known"
        if erasure.backups > 0 {
            older = "\(erasure.backups), which with their keys can open the data "
            older +=
                erasure.backupsKeptUntil.map { "until \(Timestamp($0))" } ?? "for as long as they are kept"
        }
        self.init([
            .both("erased", name), .both("grants", erasure.grants, label: "grants_ended"),
            .both("connections", erasure.connections, label: "connections_deleted"),
            .both("backups", erasure.backups, label: "older_backups", as: older),
            .json("backups_kept_until", erasure.backupsKeptUntil),
        ])
    }
}
