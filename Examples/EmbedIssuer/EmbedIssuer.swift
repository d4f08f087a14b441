import Hummingbird
import IssuerHTTP
import Logging
import TokenIssuer
import TokenVault

/// The issuer inside a Hummingbird service of your own, beside its other routes.
@main struct EmbedIssuer {
    static func main() async throws {
        let vault = try await Vault.open(at: "vault", unlockedBy: .keyFile(path: "vault.key"))
        let router = Router()
        router.get("/") { _, _ in "A service with its own tokens.\n" }
        IssuerRoutes(TokenIssuer(vault: vault)).mount(on: router)
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: 8080)),
            logger: Logger(label: "embed-issuer"))
        try await application.runService()
        await vault.close()
    }
}
