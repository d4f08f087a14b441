import ArgumentParser
import HTTPTypes
import Hummingbird
import IssuerHTTP
import Logging
import TokenIssuer
import TokenVault
import VaultCore
import VaultCrypto

/// A host's own route behind ``BearerAuthenticator``, and nothing else: what a check of an access token costs.
struct ProtectedHandler: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve one route that takes access tokens.")

    @Option(help: "Port to listen on.")
    var port: Int
    @Option(help: "The vault.")
    var vault: String
    @Option(help: "Its key file.")
    var keyFile: String

    private struct Context: BearerRequestContext {
        var coreContext: CoreRequestContextStorage
        var accessToken: ValidToken?

        init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
    }

    func run() async throws {
        let opened = try await Vault.open(at: vault, unlockedBy: .keyFile(path: keyFile))
        let router = Router(context: Context.self)
        router.group("protected").add(
            middleware: BearerAuthenticator(TokenIssuer(vault: opened), requiring: ["basic"])
        ).get { _, context in
            Response(
                status: .ok, headers: [.contentType: "text/plain"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: context.accessToken?.scope.text ?? "")))
        }
        var logger = Logger(label: "protected")
        logger.logLevel = .error
        let application = Application(
            router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(30))),
            configuration: ApplicationConfiguration(
                address: .hostname("127.0.0.1", port: port), backlog: 1024),
            logger: logger)
        try await application.run()
    }
}
