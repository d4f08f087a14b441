import ArgumentParser
import TokenVault
import VaultCore

/// Registers, shows and changes clients.
struct ClientCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client",
        abstract: "Register, show and change clients.",
        discussion: "Where a client is asked for, its client_id or its name will do.",
        subcommands: [
            ClientAddCommand.self, ClientSetCommand.self, ClientListCommand.self, ClientShowCommand.self,
            ClientDisableCommand.self, ClientEnableCommand.self, ClientRemoveCommand.self,
            ClientRotateSecretCommand.self, ClientExportCommand.self, ClientImportCommand.self,
        ])
}

/// The client a command is about.
struct ClientArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The client_id or the name of the client.", valueName: "client"))
    var name: String
}

struct ClientListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the clients, in order of registration.",
        discussion: "Example:\n  tokenvault client list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(try await location.withVault { try $0.clients().map { ClientRecord($0) } })
    }
}

struct ClientShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one client. Its secrets are not kept, so they cannot be shown.",
        discussion: "Example:\n  tokenvault client show mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(try await location.withVault { ClientRecord(try $0.client(client.name)) })
    }
}

struct ClientDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Refuse a client, and its grants, until it is enabled again.",
        discussion: "Example:\n  tokenvault client disable mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let changed = try await location.withVault { try await $0.setClient(client.name, enabled: false) }
        try output.show(ClientRecord(changed))
    }
}

struct ClientEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Accept a disabled client again.",
        discussion: "Example:\n  tokenvault client enable mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let changed = try await location.withVault { try await $0.setClient(client.name, enabled: true) }
        try output.show(ClientRecord(changed))
    }
}

struct ClientRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a client and revoke its grants. Cannot be undone.",
        discussion: "Example:\n  tokenvault client remove mood-tracker --confirm mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(client.name, consequence: "Removing a client revokes all its grants")
        try await location.withVault { try await $0.removeClient(client.name) }
        try output.show(RemovedRecord(removed: client.name))
    }
}

struct ClientRotateSecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-secret", abstract: "Give a client a new secret, shown once.",
        discussion: """
            The secrets before it are accepted for the overlap and no longer. After a leak: --overlap 0s.

            Example:
              tokenvault client rotate-secret mood-tracker --overlap 24h
            """)

    @OptionGroup var client: ClientArgument
    @Option(help: ArgumentHelp("How long the old secrets are still accepted.", valueName: "duration"))
    var overlap = DurationArgument(.seconds(86400))
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let rotated = try await location.withVault {
            try await $0.rotateSecret(ofClient: client.name, overlap: overlap.duration)
        }
        try output.show(ClientRecord(rotated.client, secret: rotated.secret))
        output.note("The secret is shown this once.")
    }
}
