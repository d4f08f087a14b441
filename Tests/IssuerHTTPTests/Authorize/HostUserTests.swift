import HTTPTypes
import Hummingbird
import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// A service whose own middleware knows who is asking, and leaves the user in the context of the request.
struct HostContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// What HummingbirdAuth calls it.
    var identity: User?

    init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
}

/// Stands for sessions and passwords: who asks says so.
struct HostAuthenticator: RouterMiddleware {
    let vault: Vault

    func handle(
        _ request: Request, context: HostContext,
        next: @concurrent (Request, HostContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        if let name = HTTPField.Name("X-User").flatMap({ request.headers[$0] }) {
            context.identity = try await vault.users.find(name)
        }
        return try await next(request, context)
    }
}

extension UserAuthentication<HostContext> {
    /// The users that ``HostAuthenticator`` finds.
    static func identified(_ vault: Vault, signOutPath: String? = nil) -> Self {
        Self(signOutPath: signOutPath) { _, context in
            context.identity.map {
                AuthenticatedUser(id: $0.id, authenticatedAt: vault.clock.now(), session: "of \($0.name)")
            }
        } signIn: { need, _, _ in
            Response(
                status: .seeOther, headers: [.location: "/login?next=" + TestServer.encode(need.returnTo)])
        }
    }
}

@Suite(.bounded) struct `A host with users of its own` {
    @Test func `they are who the context of the request says`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for name in ["alice", "bob"] { _ = try await server.user(name) }
            let issuer = TokenIssuer(vault: server.vault, issuer: "https://host.example")
            let router = Router(context: HostContext.self)
            router.add(middleware: HostAuthenticator(vault: server.vault))
            router.addRoutes(AuthorizeRoutes(issuer, users: UserAuthentication.identified(server.vault)))
            try await TestHost.serve(router, server.log.logger) { host in
                let asked = "/oauth2/authorize?" + Browser.query(app)
                let stranger = try await host.send("GET", asked)
                #expect(stranger.status == 303)
                #expect(stranger.header("location")?.hasPrefix("/login?next=%2Foauth2%2Fauthorize") == true)

                let page = try await host.send("GET", asked, ["X-User: alice"])
                #expect(page.status == 200 && page.text.contains("<bdi>alice</bdi>"), "\(page.text)")
                let answer: Form = ["form": try #require(page.field("form")), "decision": "allow"]
                // What alice was asked, nobody else answers.
                for other in [["X-User: bob"], []] {
                    #expect(try await host.send("POST", "/consent", other, form: answer).leadsBack)
                }
                let allowed = try await host.send("POST", "/consent", ["X-User: alice"], form: answer)
                #expect(try await server.redeem(try #require(allowed.answer["code"]), app).status == 200)

                #expect(try await host.send("GET", "/account/consents").status == 303)
                let consents = try await host.send("GET", "/account/consents", ["X-User: alice"])
                let withdrawal: Form = ["form": try #require(consents.field("form"))]
                _ = try await host.send("POST", "/account/consents", ["X-User: bob"], form: withdrawal)
                #expect(try await host.send("GET", asked, ["X-User: alice"]).status == 303)
                _ = try await host.send("POST", "/account/consents", ["X-User: alice"], form: withdrawal)
                #expect(try await host.send("GET", asked, ["X-User: alice"]).status == 200)
            }
        }
    }

    @Test(arguments: [nil, "/account/logout?a=1&b"])
    func `the page of consents links to the host's sign-out, where it has one`(_ path: String?) async throws {
        try await TestServer.run { server in
            _ = try await server.user("alice")
            let issuer = TokenIssuer(vault: server.vault, issuer: "https://host.example")
            let router = Router(context: HostContext.self)
            router.add(middleware: HostAuthenticator(vault: server.vault))
            let users = UserAuthentication.identified(server.vault, signOutPath: path)
            router.addRoutes(AuthorizeRoutes(issuer, users: users))
            try await TestHost.serve(router, server.log.logger) { host in
                let page = try await host.send("GET", "/account/consents", ["X-User: alice"])
                #expect(page.status == 200)
                #expect(page.text.contains("Sign out") == (path != nil))
                #expect(page.text.contains("href=\"/account/logout?a=1&amp;b\"") == (path != nil))
                #expect(!page.text.contains("/sign-out"))
                #expect(try await host.send("GET", "/sign-out").status == 404)
            }
        }
    }
}
