public import ArgumentParser
public import TokenVault
import VaultCore

/// Registers a client.
struct ClientAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Register a client. The secret of a confidential one is shown once.",
        discussion: """
            Examples:
              tokenvault client add mood-tracker --redirect-uri https://app.example/callback --scope "basic readmeasurements"
              tokenvault client add phone-app --public --redirect-uri com.example.app:/callback --scope basic
              tokenvault client add nightly-job --grant-type client_credentials --scope basic
            """)

    @Argument(help: "The name of the client, for people.")
    var name: String

    @Option(
        name: .customLong("redirect-uri"),
        help: ArgumentHelp(
            "Where codes are sent; compared octet by octet. May be repeated.", valueName: "uri"))
    var redirectURIs: [String] = []

    @Option(help: "What the client may ask for, separated by spaces.")
    var scope = ""

    @Option(
        name: .customLong("grant-type"),
        help: ArgumentHelp(
            "authorization_code, refresh_token (these two by default) or client_credentials. May be repeated.",
            valueName: "type"))
    var grantTypes: [GrantType] = []

    @Flag(
        name: .customLong("public"), help: "A client that cannot keep a secret: it has none, and uses PKCE.")
    var isPublic = false

    @Option(
        name: .customLong("client-id"),
        help: ArgumentHelp("The client_id; random by default.", valueName: "id"))
    var clientID: String?

    @Option(
        name: .customLong("token-endpoint-auth-method"),
        help: ArgumentHelp(
            "client_secret_basic, client_secret_post (both by default) or none. May be repeated.",
            valueName: "method"))
    var methods: [ClientAuthenticationMethod] = []

    @OptionGroup(title: "Lifetimes (as in 30s, 10m, 24h, 30d)")
    var lifetimes: LifetimeArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard !isPublic || methods.allSatisfy({ $0 == .none }) else {
            throw ValidationError(
                "A public client has no secret: --public and this authentication method exclude each other.")
        }
    }

    func run() async throws {
        let registration = try registration()
        let added = try await location.withVault { try await $0.addClient(registration, clientID: clientID) }
        try output.show(ClientRecord(added.client, secret: added.secret))
        if added.secret != nil { output.note("The secret is shown this once.") }
    }

    private func registration() throws -> ClientRegistration {
        var registration = ClientRegistration(name: name)
        registration.redirectURIs = redirectURIs
        registration.scope = try ScopeSet(argument: scope)
        registration.lifetimes = lifetimes.value
        if !grantTypes.isEmpty { registration.grantTypes = grantTypes }
        if isPublic { registration.authenticationMethods = [.none] }
        if !methods.isEmpty { registration.authenticationMethods = methods }
        return registration
    }
}

/// How long what the client is given lives.
struct LifetimeArguments: ParsableArguments {
    private static let safe = Lifetimes()

    @Option(name: .customLong("access-lifetime"), help: "Of an access token.")
    var access = DurationArgument(safe.accessToken)
    @Option(name: .customLong("idle-lifetime"), help: "A grant that is not refreshed for this long ends.")
    var idle = DurationArgument(safe.idle)
    @Option(name: .customLong("absolute-lifetime"), help: "No refresh extends this.")
    var absolute = DurationArgument(safe.absolute)
    @Option(name: .customLong("code-lifetime"), help: "Of an authorization code; at most 10m.")
    var code = DurationArgument(safe.authorizationCode)
    @Option(
        name: .customLong("retry-window"),
        help: "How long a refresh whose response was lost may be repeated; 0s to 10m.")
    var retry = DurationArgument(safe.retryWindow)

    var value: Lifetimes {
        var lifetimes = Lifetimes()
        lifetimes.accessToken = access.duration
        lifetimes.idle = idle.duration
        lifetimes.absolute = absolute.duration
        lifetimes.authorizationCode = code.duration
        lifetimes.retryWindow = retry.duration
        return lifetimes
    }
}

extension GrantType: ExpressibleByArgument {}
extension ClientAuthenticationMethod: ExpressibleByArgument {}

extension ScopeSet {
    /// A scope from the command line.
    init(argument: String) throws {
        guard let scope = ScopeSet(parsing: argument) else {
            throw VaultError(
                .invalidInput,
                "The scope is not a list of names with single spaces between (RFC 6749 section 3.3).",
                remedy: "As in: --scope \"basic readmeasurements\"")
        }
        self = scope
    }
}
