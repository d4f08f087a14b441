import ArgumentParser
import TokenKeeper
import TokenVault
import VaultCore
import VaultCrypto

/// Connects a user to a provider.
struct ConnectionConnectCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "connect", abstract: "Connect a user to a provider: in a browser, or on another device.",
        discussion: """
            The address to open is shown on standard error, and opened when that is a terminal with a browser. The \
            browser comes back to a port of this machine, which must be a redirect URI of our client there: many \
            providers take any port of http://127.0.0.1 (RFC 8252), others want the whole URI registered. With \
            --device the user types a code on another device instead. With --client-credentials there is no user: \
            the tokens are our client's own.

            A connection that the user already has goes on with the new tokens. A consent by another account of the \
            provider, where the provider tells, is refused unless --replace-account is given. Ends with 4 when the user or the \
            provider says no, 9 when nobody answers in time.

            Examples:
              tokenvault connection connect quantimodo --user alice
              tokenvault connection connect google --user alice --label work
              tokenvault connection connect mine --user alice --listen 127.0.0.1:8765
              tokenvault connection connect google --user alice --replace-account
              tokenvault connection connect microsoft --user alice --device
              tokenvault connection connect quantimodo --client-credentials
            """)

    @OptionGroup var provider: ProviderArgument
    @OptionGroup var owner: ConnectionOwnerArguments
    @Option(
        help: "What to ask for, separated by spaces. (default: as the provider was added)",
        transform: ScopeArgument.tidy)
    var scope: String?
    @Option(
        help: ArgumentHelp(
            "Where the browser comes back to; port 0 takes a free one. (default: 127.0.0.1:0)",
            valueName: "host:port"))
    var listen: ListenAddress?
    @Option(
        help: ArgumentHelp(
            "The redirect URI that is registered. (default: http://HOST:PORT/callback)", valueName: "uri"))
    var redirectURI: String?
    @Flag(help: "Show the address and start no browser.")
    var noBrowser = false
    @Flag(help: "Let the user type a code on another device (RFC 8628).")
    var device = false
    @Flag(help: "Tokens of our client's own, of no user.")
    var clientCredentials = false
    @Flag(
        name: .customLong("replace-account"),
        help:
            "Let another account of the provider take the place of the connected one, with everything of it.")
    var replacesAccount = false
    @Option(help: ArgumentHelp("How long the user may take, an hour at most.", valueName: "duration"))
    var timeout = DurationArgument(.seconds(600))
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard !(device && clientCredentials) else {
            throw ValidationError("Give --device or --client-credentials, not both.")
        }
        guard !(device || clientCredentials) || (listen == nil && redirectURI == nil) else {
            throw ValidationError("--listen and --redirect-uri belong to a consent in a browser.")
        }
        guard !(replacesAccount && clientCredentials) else {
            throw ValidationError("--replace-account belongs to a user's consent.")
        }
        guard !clientCredentials || owner.user == nil else {
            throw ValidationError("--client-credentials are of no user.")
        }
        guard timeout.duration > .zero, timeout.duration <= Limits.authorizationRequestLifetime else {
            throw ValidationError("--timeout is 1s to 1h.")
        }
    }

    func run() async throws {
        // Wrong addresses are refused before anything is asked for.
        let place = try CallbackPlace(listen: listen, redirectURI: redirectURI)
        let userName = clientCredentials ? nil : try owner.userName()
        try await showKept(calling: network) { keeper in
            let connection =
                if let userName {
                    try await consent(of: keeper.vault.users.find(userName).id, place, keeper)
                } else {
                    try await own(keeper)
                }
            return try await Shown(connection, in: keeper.vault)
        }
    }

    private func consent(
        of user: OwnerID, _ place: CallbackPlace, _ keeper: TokenKeeper
    ) async throws -> Connection {
        guard !device else {
            var request = DeviceRequest(provider: provider.name, user: user)
            request.label = owner.label
            request.scope = scope
            request.replacesAccount = replacesAccount
            return try await consentOnDevice(request, keeper)
        }
        // The only browser this consent is for is the one that comes to this process.
        var request = ConsentRequest(
            provider: provider.name, user: user, redirectURI: "",
            session: SecretBytes(SystemRandom().bytes(32)))
        request.label = owner.label
        request.scope = scope
        request.replacesAccount = replacesAccount
        request.lifetime = timeout.duration
        return try await consentInBrowser(request, at: place, keeper)
    }

    private func own(_ keeper: TokenKeeper) async throws -> Connection {
        let made = try await keeper.clientConnection(at: provider.name, scope: scope, label: owner.label)
        _ = try await keeper.token(for: made)
        return try await keeper.vault.connection(made.id)
    }
}
