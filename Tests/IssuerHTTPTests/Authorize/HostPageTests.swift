import HTTPTypes
import Hummingbird
import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault

/// RFC 9700 section 4.16, for pages that are not ours.
@Suite(.bounded) struct `A host's own pages` {
    /// Asks in the host's words.
    private struct PlainPage: ConsentPage {
        let headers: HTTPFields

        func response(
            to question: ConsentQuestion, for request: Request, context: HostContext
        ) async throws -> Response {
            Response(status: .ok, headers: headers)
        }
    }

    /// Looks at a consent page and at a sign-in page that answer with the headers given.
    private func each(_ headers: Form, _ look: @Sendable (Reply) throws -> Void) async throws {
        var fields: HTTPFields = [:]
        for (name, value) in headers {
            fields.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
        }
        try await TestServer.run { [fields] server in
            let app = try await server.client()
            _ = try await server.user("alice")
            let known = UserAuthentication.identified(server.vault)
            let users = UserAuthentication<HostContext> {
                try await known.user(of: $0, context: $1)
            } signIn: {
                _, _, _ in
                Response(status: .ok, headers: fields)
            }
            let router = Router(context: HostContext.self)
            router.add(middleware: HostAuthenticator(vault: server.vault))
            router.addRoutes(
                AuthorizeRoutes(
                    TokenIssuer(vault: server.vault, issuer: "https://host.example"), users: users,
                    consentPage: PlainPage(headers: fields)))
            try await TestHost.serve(router, server.log.logger) { host in
                for user in [[], ["X-User: alice"]] {
                    let asked = "/oauth2/authorize?" + Browser.query(app)
                    let reply = try await host.send("GET", asked, user)
                    #expect(reply.status == 200)
                    try look(reply)
                }
            }
        }
    }

    @Test func `without headers they get those that keep them from being framed, kept or named`() async throws
    {
        try await each([:]) { reply in
            #expect(reply.values("content-security-policy") == ["frame-ancestors 'none'"])
            #expect(reply.values("cache-control") == ["no-store"])
            #expect(reply.values("referrer-policy") == ["no-referrer"])
        }
    }

    @Test(arguments: [
        "default-src 'self'", "default-src 'none'; report-uri /frame-ancestors",
        "script-src https://frame-ancestors.example", "x-frame-ancestors 'self'",
    ])
    func `a policy that does not say who may frame them stays, and gets another beside it`(_ policy: String)
        async throws
    {
        try await each(["Content-Security-Policy": policy]) { reply in
            #expect(reply.values("content-security-policy") == [policy, "frame-ancestors 'none'"])
        }
    }

    @Test(arguments: [
        "frame-ancestors 'self'", "default-src 'none';FRAME-Ancestors https://a.example",
        "default-src 'none', frame-ancestors 'none'", "img-src *;\t frame-ancestors",
    ])
    func `what they say themselves is not overridden`(_ policy: String) async throws {
        try await each([
            "Content-Security-Policy": policy, "Cache-Control": "private, max-age=1",
            "Referrer-Policy": "same-origin",
        ]) { reply in
            #expect(reply.values("content-security-policy") == [policy])
            #expect(reply.values("cache-control") == ["private, max-age=1"])
            #expect(reply.values("referrer-policy") == ["same-origin"])
        }
    }

    // Neither of them says who may frame a page to a browser that knows `frame-ancestors`.
    @Test(arguments: ["X-Frame-Options", "Content-Security-Policy-Report-Only"])
    func `another header is no answer`(_ name: String) async throws {
        try await each([name: "frame-ancestors 'self'"]) { reply in
            #expect(reply.values("content-security-policy") == ["frame-ancestors 'none'"])
        }
    }
}

extension Reply {
    /// Every field of that name.
    fileprivate func values(_ name: String) -> [String] { headers.filter { $0.name == name }.map(\.value) }
}
