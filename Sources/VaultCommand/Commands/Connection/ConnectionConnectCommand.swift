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
            The consent URL is printed on standard error, and opened if that is a terminal with a browser. The \
            browser returns to a port of this machine, which must be a redirect URI of our client at the \
            provider: many providers accept any port of http://127.0.0.1 (RFC 8252), others need the whole URI \
            registered. With --device the user types a code on another device instead. With --client-credentials \
            there is no user: the tokens are our client's own.

            An existing connection of the user gets the new tokens. If the provider names another account than \
            before, the consent is refused without --replace-account. Ends with 4 if the user or the provider \
            refuses, 9 if no answer comes in time.

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
        help: "Scope to request, separated by spaces. (default: that of the provider)",
        transform: ScopeArgument.tidy)
    var scope: String?
    @Option(
        help: ArgumentHelp(
            "Address for the browser's return; port 0 takes a free one. (default: 127.0.0.1:0)",
            valueName: "host:port"))
    var listen: ListenAddress?
    @Option(
        help: ArgumentHelp(
            "The registered redirect URI. (default: http://HOST:PORT/callback)", valueName: "uri"))
    var redirectURI: String?
    @Flag(help: "Print the consent URL and start no browser.")
    var noBrowser = false
    @Flag(help: "Let the user type a code on another device (RFC 8628).")
    var device = false
    @Flag(help: "Get tokens of our client's own, without a user.")
    var clientCredentials = false
    @Flag(
        name: .customLong("replace-account"),
        help: "Let another account of the provider replace the connected one.")
    var replacesAccount = false
    @Option(help: ArgumentHelp("Time for the user to consent, an hour at most.", valueName: "duration"))
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
