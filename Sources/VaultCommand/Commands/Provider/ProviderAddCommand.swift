import ArgumentParser
import TokenKeeper
import VaultCore

/// Adds a provider, or puts another entry or other credentials in its place.
struct ProviderAddCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a provider and our client credentials for it.",
        discussion: """
            The entry is the catalogue's of the same name, another with --entry, or a file of your own. If the \
            entry uses discovery, the issuer's document is fetched once, now. You are asked for the client's \
            secret unless you name a file or descriptor; it is sealed.

            Examples:
              tokenvault provider add google --client-id my-app --client-secret-file secret
              tokenvault provider add shop --entry shopify --variable shop=a --client-id a
              tokenvault provider add oidc --variable issuer=https://a.test --client-id a
              tokenvault provider add mine --file m.yaml --client-id a --client-secret-fd 3
              tokenvault provider add google --replace --client-id my-app
            """)

    @OptionGroup var provider: ProviderArgument
    @OptionGroup(title: "Entry") var entry: EntryArguments
    @Option(help: "Default scope of consents, separated by spaces.", transform: ScopeArgument.tidy)
    var scope: String?
    @OptionGroup(title: "Client (without a file or descriptor, you are asked for the secret)")
    var client: ClientCredentialArguments
    @Flag(help: "Replace the provider of that name; its connections stay.")
    var replace = false
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let clientID = try client.clientID()
        var new = try entry.provider(provider.name, scope: scope, clientID: clientID)
        new = try await discovered(new)
        new.clientSecret = try client.secret(isPublic: try new.filledEntry().client == .none)
        try await showKept { [new] keeper in
            let configured =
                replace
                ? try await keeper.replaceProvider(new) : try await keeper.addProvider(new)
            var shown = Shown(configured)
            if entry.file == nil, !configured.provider.isVerified {
                shown.notes = [
                    "Not every fact of this entry was verified: see its comments ('provider show --catalogue')."
                ]
            }
            return shown
        }
    }

    private func discovered(_ new: NewProvider) async throws -> NewProvider {
        let entry = try new.filledEntry()
        guard entry.isDiscovered, let issuer = entry.endpoints.issuer else { return new }
        let found = try await network.withTransport { try await new.discovered(over: $0) }
        output.note("Found in the discovery document of \(Console.harmless(issuer)):")
        for line in Table.pairs(try found.filledEntry().endpoints.named) {
            output.note("  \(line)")
        }
        if try entry.requests.usesPKCE && !found.filledEntry().requests.usesPKCE {
            output.note(
                "It names methods of PKCE, but not S256: consents have no PKCE, and an ID token must have "
                    + "their nonce.")
        }
        return found
    }
}

/// Which entry, and what is chosen in it.
struct EntryArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("The entry of the catalogue. (default: the name)", valueName: "catalogue-name"))
    var entry: String?
    @Option(help: ArgumentHelp("A file with your own entry (YAML).", valueName: "path"), completion: .file())
    var file: String?
    @Option(
        name: .customLong("variable"),
        help: ArgumentHelp(
            "Value for {name} in the entry's endpoints. May be repeated.", valueName: "name=value"))
    var variables: [PairArgument] = []
    @Option(
        name: .customLong("endpoint"),
        help: ArgumentHelp(
            "Another address for token, authorization, refresh, revocation, device_authorization or issuer. "
                + "May be repeated.", valueName: "name=url"))
    var endpoints: [PairArgument] = []

    func validate() throws {
        guard entry == nil || file == nil else { throw ValidationError("Give --entry or --file, not both.") }
        for pairs in [variables, endpoints] where Set(pairs.map(\.name)).count != pairs.count {
            throw ValidationError("A name is given twice.")
        }
    }

    func provider(_ name: String, scope: String?, clientID: String) throws -> NewProvider {
        let values = Dictionary(variables.map { ($0.name, $0.value) }) { first, _ in first }
        let template: Provider
        var new: NewProvider
        if let file {
            let yaml = try Self.text(file)
            template = try ProviderReader.read(yaml, file: file)
            new = NewProvider(
                name, yaml: yaml, variables: values, scope: scope, clientID: clientID, clientSecret: nil)
        } else {
            guard let known = ProviderCatalogue.provider(entry ?? name) else {
                throw VaultError(
                    .notFound, "The catalogue has no entry \(entry ?? name).",
                    remedy: "See 'tokenvault provider list --catalogue', or give --file.")
            }
            template = known
            new = NewProvider(
                name, catalogue: entry ?? name, variables: values, scope: scope, clientID: clientID,
                clientSecret: nil)
        }
        if !endpoints.isEmpty { new.endpoints = try chosen(template.endpoints) }
        return new
    }

    private func chosen(_ template: Provider.Endpoints) throws -> Provider.Endpoints {
        var chosen = template
        for pair in endpoints {
            if let fault = EndpointURL.fault(of: pair.value) {
                throw VaultError(
                    .invalidInput, "The URL of --endpoint \(pair.name) \(fault).",
                    remedy: "As in: --endpoint token=https://id.example/token")
            }
            guard chosen.set(pair.name, to: pair.value) else {
                throw VaultError(
                    .invalidInput, "There is no endpoint \(pair.name).",
                    remedy: "token, authorization, refresh, revocation, device_authorization or issuer.")
            }
        }
        return chosen
    }

    private static func text(_ path: String) throws -> String {
        let bytes = try SmallFile.read(
            path, limit: Limits.providerDefinitionBytes, closed: .toWritingByAnybody, remedy: "Check --file.")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw VaultError(.invalidInput, "\(path) is not UTF-8.", remedy: "Check --file.")
        }
        return text
    }
}

/// `name=value` on the command line.
struct PairArgument: ExpressibleByArgument {
    let name, value: String

    init?(argument: String) {
        guard let sign = argument.firstIndex(of: "="), sign != argument.startIndex else { return nil }
        name = String(argument[..<sign])
        value = String(argument[argument.index(after: sign)...])
    }
}
