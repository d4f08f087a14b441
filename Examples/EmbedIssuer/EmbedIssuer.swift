import Hummingbird
import IssuerHTTP
import Logging
import NIOCore
import OpenIDConnect
import TokenIssuer
import TokenVault
import VaultAudit

/// A service with its own users. Applications of other people use its API with tokens that users allowed.
///
/// `EmbedIssuer [PORT]` serves the vault `vault` with the key file `vault.key` of the current folder.
@main struct EmbedIssuer {
    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8080
        let vault = try await Vault.open(at: "vault", unlockedBy: .keyFile(path: "vault.key"))
        let keys = VaultSigningKeys(vault)
        try await keys.prepare()
        let members = Members(vault)
        let issuer = TokenIssuer(
            vault: vault, issuer: "http://127.0.0.1:\(port)", idTokens: keys, assertions: AssertionVerifier(),
            claims: members.claims)

        let router = Router(context: ServiceContext.self)
        // Endpoints for applications: token, revocation, introspection, userinfo, metadata.
        router.addRoutes(IssuerRoutes(issuer))
        // Pages for our users: our sign-in, and the consent page with our descriptions of scopes.
        members.addSignIn(to: router)
        router.addRoutes(
            AuthorizeRoutes(
                issuer, users: members.authentication,
                scopes: ScopeDescriptions([
                    "readmeasurements": "Read what your scales and your watch measured"
                ])))
        // The API that applications call.
        router.group("api/measurements")
            .add(middleware: BearerAuthenticator(issuer, requiring: ["readmeasurements"]))
            .get { _, context in
                guard let owner = context.accessToken?.owner else { throw HTTPError(.forbidden) }
                return try await members.measurements(of: vault.users.find(owner))
            }

        var application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)),
            logger: Logger(label: "embed-issuer"))
        // Keeps the vault up while it is served, and closes it at the end.
        application.addServices(try await VaultService(vault))
        try await application.runService()
    }
}

/// A request, with its address (wrong client secrets are counted by it) and its access token.
struct ServiceContext: BearerRequestContext, RemoteAddressRequestContext {
    var coreContext: CoreRequestContextStorage
    var accessToken: ValidToken?
    let remoteAddress: SocketAddress?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
    }
}
