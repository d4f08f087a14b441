import ArgumentParser
import TokenKeeper
import TokenVault
import VaultCore

/// The providers whose tokens the vault keeps.
struct ProviderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider",
        abstract: "Add, show, test and remove providers: those whose tokens the vault keeps for its users.",
        discussion: """
            An entry says where a provider's endpoints are and how it departs from the standards. Entries of many \
            providers come with this program, any other is a YAML file: docs/providers.md lists the fields.
            """,
        subcommands: [
            ProviderListCommand.self, ProviderShowCommand.self, ProviderAddCommand.self,
            ProviderTestCommand.self, ProviderResumeCommand.self, ProviderRemoveCommand.self,
        ])
}

/// The provider a command is about.
struct ProviderArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The provider's name in this vault.", valueName: "name"))
    var name: String
}

struct ProviderListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the vault's providers, or the entries that can be added.",
        discussion: """
            Examples:
              tokenvault provider list
              tokenvault provider list --catalogue
            """)

    @Flag(help: "The entries that come with this program; no vault is opened.")
    var catalogue = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        guard !catalogue else {
            let entries = ProviderCatalogue.names.compactMap { ProviderCatalogue.provider($0) }
            return try output.show(entries.map(CatalogueRecord.init))
        }
        try await location.withKeeper { keeper in
            try output.show(try keeper.configuredProviders().map(ProviderRecord.init))
        }
    }
}

struct ProviderShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one provider, or the text of an entry of the catalogue.",
        discussion: """
            Its client secret is sealed and not shown.

            Examples:
              tokenvault provider show quantimodo
              tokenvault provider show google --catalogue > mine.yaml
            """)

    @OptionGroup var provider: ProviderArgument
    @Flag(help: "The entry of that name as YAML, to start one of your own from; no vault is opened.")
    var catalogue = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        guard !catalogue else {
            guard let text = ProviderCatalogue.text(provider.name) else {
                throw VaultError(
                    .notFound, "The catalogue has no entry of that name.",
                    remedy: "See 'tokenvault provider list --catalogue'.")
            }
            return try output.show(EntryTextRecord(entry: provider.name, yaml: text))
        }
        try await location.withKeeper { keeper in
            try output.show(ProviderRecord(try keeper.configuredProvider(provider.name)))
        }
    }
}

/// The text of an entry as printed: `{"entry":"google","yaml":"…"}`.
private struct EntryTextRecord: Record {
    let entry, yaml: String

    var lines: [String] {
        yaml.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }
}

struct ProviderResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Call a stopped provider again, at once.",
        discussion: """
            A provider that refuses our client is stopped, so that no connection suffers. It is called once a minute \
            at most, and again as before when it gives tokens. 'provider show' says which connections it refused. \
            Where the credentials are wrong, 'provider add NAME --replace' changes them and resumes it.

            Example:
              tokenvault provider resume quantimodo
            """)

    @OptionGroup var provider: ProviderArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withKeeper { keeper in
            try output.show(ProviderRecord(try await keeper.resumeProvider(provider.name)))
        }
    }
}

struct ProviderRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a provider that has no connections. Cannot be undone.",
        discussion: "Example:\n  tokenvault provider remove quantimodo --confirm quantimodo")

    @OptionGroup var provider: ProviderArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(
            provider.name, consequence: "Removing a provider destroys our client's secret there")
        try await location.withKeeper { try await $0.removeProvider(provider.name) }
        try output.show(RemovedRecord(removed: provider.name))
    }
}
