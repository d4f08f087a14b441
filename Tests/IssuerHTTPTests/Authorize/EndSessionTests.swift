import Foundation
import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// OpenID Connect RP-Initiated Logout 1.0: the user signs out at the application, and so here.
@Suite(.bounded) struct `OpenID Connect RP-Initiated Logout 1.0` {
    private static let path = "/oauth2/logout"
    private static let home = "https://app.example/signed-out"

    private struct Scene {
        let server: TestServer
        let app: Party
        let browser: Browser
        let alice: User

        /// An id_token of the application's for a user, as the keys of these tests have it.
        func hint(_ user: User? = nil, client: String? = nil) -> String {
            let subject = server.vault.users.subject(of: (user ?? alice).id)
            return "\(server.issuer) \(client ?? app.id) \(subject)"
        }

        func signOut(_ parameters: [String: String]) async throws -> Reply {
            let query = parameters.map { "\($0)=\(TestServer.encode($1))" }.sorted().joined(separator: "&")
            return try await browser.get(`OpenID Connect RP-Initiated Logout 1.0`.path + "?" + query)
        }

        func isSignedIn(_ browser: Browser? = nil) async throws -> Bool {
            try await !(browser ?? self.browser).get("/sign-out").text.contains("You are signed out")
        }
    }

    private func serve(_ body: @Sendable (Scene) async throws -> Void) async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client("Mood tracker", scope: "openid") {
                $0.postLogoutRedirectURIs = [Self.home, Self.home + "?from=us"]
            }
            let browser = Browser(server)
            let alice = try await browser.haveSession()
            try await body(Scene(server: server, app: app, browser: browser, alice: alice))
        }
    }

    @Test func `an id_token of the user ends the session, and the browser goes where the client registered`()
        async throws
    {
        for (uri, location) in [
            (Self.home, Self.home + "?state=a%26b"),
            (Self.home + "?from=us", Self.home + "?from=us&state=a%26b"),
        ] {
            try await serve { scene in
                let cookie = try #require(scene.browser.session)
                let reply = try await scene.signOut([
                    "id_token_hint": scene.hint(), "post_logout_redirect_uri": uri, "state": "a&b",
                ])
                #expect(reply.status == 303 && reply.header("location") == location)
                #expect(reply.header("cache-control") == "no-store")
                #expect(scene.browser.session == nil)
                // Nor does a copy of the cookie work.
                scene.browser.setCookie(scene.browser.sessionCookie, cookie)
                #expect(try await !scene.isSignedIn())
                // Who is signed out already is sent on as well.
                let again = try await scene.signOut([
                    "id_token_hint": scene.hint(), "client_id": scene.app.id, "post_logout_redirect_uri": uri,
                ])
                #expect(again.header("location") == uri)
            }
        }
    }

    @Test func `without an address to return to a page says that it is done`() async throws {
        try await serve { scene in
            let page = try await scene.browser.follow(
                try await scene.signOut(["id_token_hint": scene.hint()]))
            #expect(page.status == 200 && page.text.contains("You are signed out"))
        }
    }

    @Test func `posted, it asks the same, and the id_token is in no URL`() async throws {
        try await serve { scene in
            let session = scene.browser.session
            // A form from another site comes without the cookie.
            let stranger = Browser(scene.server)
            let reply = try await stranger.post(
                Self.path,
                ["id_token_hint": scene.hint(), "post_logout_redirect_uri": Self.home, "state": "s"],
                headers: ["Sec-Fetch-Site: cross-site", "Origin: https://app.example"])
            let location = try #require(reply.header("location"))
            #expect(location.hasPrefix(Self.path + "?continue=") && !location.contains(scene.app.id))
            #expect(scene.browser.session == session)
            let done = try await scene.browser.follow(reply)
            #expect(done.header("location") == Self.home + "?state=s")
            #expect(try await !scene.isSignedIn())
            #expect(try await scene.browser.get(Self.path + "?continue=x").status == 400)
        }
    }

    // Logout CSRF: any page can lead a browser here.
    @Test func `a stranger's link signs no user out: the user is asked`() async throws {
        try await serve { scene in
            let mallory = try await scene.server.user("mallory")
            let attempts: [[String: String]] = [
                [:], ["client_id": scene.app.id], ["logout_hint": "alice"],
                ["id_token_hint": scene.hint(mallory)],
                ["id_token_hint": scene.hint() + "x"], ["id_token_hint": "a.b.c"],
                [
                    "id_token_hint":
                        "https://evil.example \(scene.app.id) \(scene.hint().split(separator: " ")[2])"
                ],
                ["id_token_hint": ""], ["post_logout_redirect_uri": "https://evil.example/"],
            ]
            for attempt in attempts {
                let page = try await scene.signOut(attempt)
                #expect(page.status == 200 && page.text.contains("Sign out?"), "\(attempt)")
                #expect(!page.text.contains("evil.example"), "\(attempt)")
                #expect(try await scene.isSignedIn(), "\(attempt)")
            }
            // Nor does the form of a page that another browser was shown.
            let other = Browser(scene.server)
            try await other.haveSession("mallory")
            let page = try await other.get(Self.path)
            _ = try await scene.browser.post("/sign-out", ["form": try #require(page.field("form"))])
            #expect(try await scene.isSignedIn())
        }
    }

    // Browsers send no cookie with a form from another site, and some send no Sec-Fetch-Site; all take what the answer sets.
    @Test func `an answer to another site takes no cookie away`() async throws {
        try await serve { scene in
            let mallory = Browser(scene.server)
            try await mallory.haveSession("mallory")
            let page = try await mallory.get(
                Self.path + "?client_id=\(scene.app.id)&post_logout_redirect_uri="
                    + TestServer.encode(Self.home))
            let form = try #require(page.field("form"))
            let query = "id_token_hint=" + TestServer.encode(scene.hint())
            let replies = [
                try await scene.server.post(["form": form], path: "/sign-out"),
                try await scene.server.post(["id_token_hint": scene.hint()], path: Self.path),
                try await scene.server.send("GET", Self.path + "?" + query),
            ]
            for reply in replies {
                #expect(reply.status == 303 && reply.header("set-cookie") == nil)
                #expect(reply.header("location")?.hasPrefix("https:") == false)
            }
            #expect(try await scene.isSignedIn())
            #expect(try await scene.isSignedIn(mallory))
        }
    }

    @Test func `who is asked and agrees goes where the client registered`() async throws {
        try await serve { scene in
            let page = try await scene.signOut([
                "client_id": scene.app.id, "post_logout_redirect_uri": Self.home, "state": "s",
            ])
            #expect(page.text.contains("<bdi>Mood tracker</bdi></strong> asks to sign you out"))
            // The redirect after the form leads to the client.
            #expect(page.header("content-security-policy")?.contains("form-action") == false)
            let done = try await scene.browser.post("/sign-out", ["form": try #require(page.field("form"))])
            #expect(done.header("location") == Self.home + "?state=s")
            #expect(try await !scene.isSignedIn())
            // Without a session and without an id_token it is no way to anywhere.
            let link = try await scene.signOut([
                "client_id": scene.app.id, "post_logout_redirect_uri": Self.home,
            ])
            #expect(link.header("location") == "/sign-out")
        }
    }

    @Test func `an address that is not registered for this is not gone to, and the user stays signed in`()
        async throws
    {
        try await serve { scene in
            let other = try await scene.server.client("other", scope: "openid") {
                $0.postLogoutRedirectURIs = ["https://other.example/"]
            }
            for uri in [
                "https://evil.example/", Self.home + "/", Self.home.uppercased(), Self.home + "?x=1",
                Party.redirectURI, "https://other.example/", "javascript:alert(1)", "//evil.example",
            ] {
                let reply = try await scene.signOut([
                    "id_token_hint": scene.hint(), "post_logout_redirect_uri": uri,
                ])
                #expect(reply.status == 400 && reply.isPage, "\(uri)")
                #expect(try await scene.isSignedIn(), "\(uri)")
            }
            // One client's token does not go with another's name.
            let mixed = try await scene.signOut(["id_token_hint": scene.hint(), "client_id": other.id])
            #expect(mixed.status == 400)
            #expect(try await scene.isSignedIn())
            try await scene.server.vault.clients.disable(scene.app.id)
            let disabled = try await scene.signOut([
                "id_token_hint": scene.hint(), "post_logout_redirect_uri": Self.home,
            ])
            #expect(disabled.header("location") == "/sign-out")
        }
    }

    // A client that registers itself may call itself anything.
    @Test func `no page shows a self-chosen name where it could be taken for a certain one`() async throws {
        try await TestServer.run(configure: { configuration, _ in
            configuration.idTokens = FixedKeys()
            configuration.registration = SelfRegistration(scope: ScopeSet(parsing: "openid"))
        }) { server in
            let stranger = try await server.stranger([
                "client_name": "Your Bank", "redirect_uris": ["https://mallory.example/cb"],
            ])
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser, ["scope": "openid"]).answer["code"] != nil)
            let list = try await browser.get("/account/consents").text
            #expect(list.contains("<h2><bdi>mallory.example</bdi></h2>"))
            #expect(list.contains("It calls itself <bdi>Your Bank</bdi>"))
            let page = try await browser.get(Self.path + "?client_id=" + TestServer.encode(stranger.id)).text
            #expect(page.contains("<bdi>mallory.example</bdi></strong> asks to sign you out"))
            #expect(!page.contains("Your Bank"))
        }
    }

    @Test func `what repeats or is too long is refused`() async throws {
        try await serve { scene in
            let page = try await scene.browser.get(Self.path + "?state=a&state=b")
            #expect(page.status == 400)
            let long = try await scene.signOut(["id_token_hint": String(repeating: "a", count: 8200)])
            #expect(long.status == 400)
            #expect(try await scene.isSignedIn())
        }
    }
}
