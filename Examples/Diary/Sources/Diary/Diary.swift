import Foundation
import Hummingbird
import IssuerHTTP
import Logging
import TokenIssuer
import TokenVault
import VaultAudit

/// A diary whose entries the applications of other people read with their owner's permission.
@main struct Diary {
    static func main() async throws {
        if !FileManager.default.fileExists(atPath: "vault") {
            try Vault.createKeyFile(at: "vault.key")
            try await Vault.create(at: "vault", unlockedBy: .keyFile(path: "vault.key")).close()
        }
        let vault = try await Vault.open(at: "vault", unlockedBy: .keyFile(path: "vault.key"))
        try await application(vault, at: "http://127.0.0.1:8080").runService()
    }

    /// - Parameter url: what applications know the service by: https, except on this machine.
    static func application(_ vault: Vault, at url: String) async throws -> some ApplicationProtocol {
        let accounts = Accounts(vault)
        let issuer = TokenIssuer(vault: vault, issuer: url)
        let router = Router(context: DiaryContext.self)
        router.add(middleware: SessionAuthenticator(accounts: accounts))
        accounts.addSignIn(to: router)

        // What applications talk to: token, revocation, introspection, metadata.
        router.addRoutes(IssuerRoutes(issuer))
        // Where they send your users, who sign in with you and are asked for their consent.
        router.addRoutes(
            AuthorizeRoutes(
                issuer, users: accounts.authentication,
                scopes: ScopeDescriptions(["entries:read": "Read your diary"])))
        // What they come for.
        router.group("api/entries")
            .add(middleware: BearerAuthenticator(issuer, requiring: ["entries:read"]))
            .get { _, context in
                guard let owner = context.accessToken?.owner else { throw HTTPError(.forbidden) }
                return "Dear diary, I am \(try await vault.users.find(owner).name).\n"
            }

        var application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: 8080)),
            logger: Logger(label: "diary"))
        // Keeps the vault up while it is served, and closes it at the end.
        application.addServices(try await VaultService(vault))
        return application
    }
}
