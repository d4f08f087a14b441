import Hummingbird
import IssuerHTTP
import Logging
import NIOCore
import OpenIDConnect
import TokenIssuer
import TokenVault
import VaultAudit

/// A service with users of its own, whose API the applications of other people use with tokens.
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
        // What applications talk to: token, revocation, introspection, userinfo, metadata.
        router.addRoutes(IssuerRoutes(issuer))
        // Where they send our users, who sign in with us and are asked in our words.
        members.addSignIn(to: router)
        router.addRoutes(
            AuthorizeRoutes(
                issuer, users: members.authentication,
                scopes: ScopeDescriptions([
                    "readmeasurements": "Read what your scales and your watch measured"
                ])))
        // What they come for.
        router.group("api/measurements")
            .add(middleware: BearerAuthenticator(issuer, requiring: ["readmeasurements"]))
            .get { _, context in
                guard let owner = context.accessToken?.owner else { throw HTTPError(.forbidden) }
                return try await members.measurements(of: vault.users.find(owner))
            }

        var application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)),
            logger: Logger(label: "embed-issuer"))
        // Retry windows do not run while nobody serves, and rows that are over get removed.
        application.addServices(try await VaultService(vault))
        try await application.runService()
    }
}

/// A request: who it comes from, for the throttle of wrong secrets, and what its access token stands for.
struct ServiceContext: BearerRequestContext, RemoteAddressRequestContext {
    var coreContext: CoreRequestContextStorage
    var accessToken: ValidToken?
    let remoteAddress: SocketAddress?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
    }
}
