import IssuerHTTP
import Logging
import ServiceLifecycle
import TokenVault

/// A token endpoint in a service of your own: `POST /oauth2/token`, every token sealed in one file.
@main struct IssueTokens {
    static func main() async throws {
        let logger = Logger(label: "issue-tokens")
        let vault = try await Vault.open(at: "vault", unlockedBy: .keyFile(path: "vault.key"))
        let server = IssuerServer(vault: vault, configuration: .init(port: 8080), logger: logger)
        try await ServiceGroup(services: [server], gracefulShutdownSignals: [.sigterm], logger: logger).run()
        await vault.close()
    }
}
