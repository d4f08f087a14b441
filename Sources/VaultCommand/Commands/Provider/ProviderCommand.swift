import ArgumentParser
import TokenKeeper
import VaultCore

/// The providers whose tokens the vault keeps.
struct ProviderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider", abstract: "Add, show, test and remove providers that issue tokens to us.",
        discussion: """
            An entry is a provider's configuration: its endpoints, and where it departs from the standards. The \
            catalogue has entries of many providers; others are YAML files (docs/providers.md lists the fields).
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

struct ProviderListCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the vault's providers, or the catalogue.",
        discussion: """
            Examples:
              tokenvault provider list
              tokenvault provider list --catalogue
            """)

    @Flag(help: "List the catalogue; no vault is opened.")
    var catalogue = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        guard !catalogue else {
            let entries = ProviderCatalogue.names.compactMap { ProviderCatalogue.provider($0) }
            return try output.show(
                entries.map { Shown(entry: $0) },
                under: ["ENTRY", "REPLAY", "VARIABLES", "VERIFIED", "TITLE"])
        }
        let providers = try await location.withKeeper { try await $0.configuredProviders() }
        try output.show(
            providers.map { Shown($0) }, under: ["PROVIDER", "ENTRY", "STATE", "CLIENT_ID", "TITLE"])
    }
}

struct ProviderShowCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one provider, or an entry of the catalogue.",
        discussion: """
            The client secret is not shown.

            Examples:
              tokenvault provider show quantimodo
              tokenvault provider show google --catalogue > mine.yaml
            """)

    @OptionGroup var provider: ProviderArgument
    @Flag(help: "Print the catalogue's entry as YAML, to start your own; no vault is opened.")
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
            return try output.show(
                Shown(
                    [.json("entry", provider.name), .json("yaml", text)],
                    lines: text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(
                        String.init)))
        }
        try await showKept { Shown(try await $0.configuredProvider(provider.name)) }
    }
}

struct ProviderResumeCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Call a stopped provider again, at once.",
        discussion: """
            A provider that refuses our client is stopped, so that no connection suffers. It is called once a \
            minute at most, and resumes by itself when it gives tokens. 'provider show' lists the refused \
            connections. If the credentials are wrong, 'provider add NAME --replace' changes them and resumes \
            it.

            Example:
              tokenvault provider resume quantimodo
            """)

    @OptionGroup var provider: ProviderArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept { Shown(try await $0.resumeProvider(provider.name)) }
    }
}

struct ProviderRemoveCommand: AsyncParsableCommand, VaultWork {
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
        try await showKept {
            try await $0.removeProvider(provider.name)
            return Shown(removed: provider.name)
        }
    }
}

extension Shown {
    /// A provider of the vault; its client secret is not in it.
    ///
    /// `{"provider":"mine","entry":"google","title":"Google","state":"active","client_id":"…","has_client_secret":true,
    /// "authentication":"post","endpoints":{"token":"https://…"},"pkce":true,"issuer_in_callbacks":false,"rotates":false,
    /// "replay":"tolerated","verified":true,"created_at":"…"}`, and `scope` where one was chosen. While our client is in
    /// doubt, `refused_connections` and `refused_because` say by which connections and why: `[17,23,31]`,
    /// `"unauthorized-client"`.
    init(_ configured: ConfiguredProvider) {
        let entry = configured.provider
        let usesPKCE = entry.requests.usesPKCE
        let namesIssuer = entry.endpoints.namesIssuerInCallbacks ?? false
        var fields: [Field] = [
            .both("provider", configured.name),
            .both("entry", entry.name, as: "\(entry.name) (\(entry.title))"), .json("title", entry.title),
            .both("state", "\(configured.state)"), .both("client_id", configured.clientID),
            .json("has_client_secret", configured.hasClientSecret),
            .text("client_secret", configured.hasClientSecret ? "sealed" : "none"),
            .both("authentication", entry.client.rawValue), .both("scope", configured.scope, missing: "-"),
            .json("endpoints", Shown(entry.endpoints.named.map { .json($0, $1) })),
        ]
        fields += entry.endpoints.named.map { .text($0, $1) }
        fields += [
            .both("pkce", usesPKCE, as: usesPKCE ? "S256" : "no"),
            .both("issuer_in_callbacks", namesIssuer, as: namesIssuer ? "yes" : "not promised"),
            .both("rotates", entry.refresh.rotates), .both("replay", entry.refresh.replay.words),
            .both("verified", entry.isVerified), .both("created_at", configured.createdAt),
            .json("refused_because", configured.doubt),
        ]
        if !configured.doubtedBy.isEmpty {
            let numbers = configured.doubtedBy.map { "\($0)" }.joined(separator: ", ")
            fields += [
                .json("refused_connections", configured.doubtedBy.map(\.rawValue)),
                .text("refused", "connections \(numbers) (\(configured.doubt ?? "-"))"),
            ]
        }
        self.init(
            fields,
            cells: [
                configured.name, entry.name, "\(configured.state)", configured.clientID, entry.title,
            ])
    }

    /// An entry of the catalogue, with the variables that are to be given when it is added:
    /// `{"entry":"oidc","replay":"revokes","title":"…","variables":["issuer"],"verified":false}`.
    fileprivate init(entry: Provider) {
        let replay = entry.refresh.method == .none ? "-" : entry.refresh.replay.words
        self.init(
            [
                .json("entry", entry.name), .json("replay", replay), .json("title", entry.title),
                .json("variables", entry.variables), .json("verified", entry.isVerified),
            ],
            cells: [
                entry.name, replay,
                entry.variables.isEmpty ? "-" : entry.variables.joined(separator: " "),
                entry.isVerified ? "yes" : "no", entry.title,
            ])
    }
}

extension Provider.ReplayPolicy {
    fileprivate var words: String {
        func span(_ duration: Duration) -> String { DurationArgument(duration).defaultValueDescription }
        return switch self {
        case .within(let time): "within \(span(time))"
        case .untilFirstUse(let time): "until_first_use" + (time.map { " \(span($0))" } ?? "")
        case .tolerated, .rejected, .revokes: "\(self)"
        }
    }
}
