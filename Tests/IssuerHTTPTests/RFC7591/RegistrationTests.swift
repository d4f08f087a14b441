import Foundation
import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// A client that registers itself, as a test plays it.
struct Stranger: Sendable {
    static let challenge = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
    static let verifier = String(repeating: "v", count: 43)
    let id: String
    let redirectURI: String

    /// What it asks, by the user's browser.
    func authorize(_ browser: Browser, _ changes: [String: String?] = [:]) async throws -> Reply {
        var parameters: [String: String?] = [
            "response_type": "code", "client_id": id, "redirect_uri": redirectURI, "scope": "basic",
            "state": "s", "code_challenge": Self.challenge, "code_challenge_method": "S256",
        ]
        parameters.merge(changes) { _, new in new }
        let query = parameters.compactMap { name, value in
            value.map { "\(name)=\(TestServer.encode($0))" }
        }.sorted().joined(separator: "&")
        return try await browser.get("/oauth2/authorize?" + query)
    }

    /// From the question to the code.
    func allow(_ browser: Browser, _ changes: [String: String?] = [:]) async throws -> Reply {
        let page = try await authorize(browser, changes)
        #expect(page.status == 200, "\(page.text)")
        return try await browser.decide("allow", page)
    }

    func redeem(_ code: String?, _ server: TestServer, for resource: String = "") async throws -> Reply {
        try await server.post([
            "grant_type": "authorization_code", "code": try #require(code), "redirect_uri": redirectURI,
            "client_id": id, "code_verifier": Self.verifier, "resource": resource,
        ])
    }

    func refresh(_ token: String?, _ server: TestServer, for resource: String = "") async throws -> Reply {
        try await server.post([
            "grant_type": "refresh_token", "refresh_token": try #require(token), "client_id": id,
            "resource": resource,
        ])
    }
}

extension TestServer {
    /// Serves with registration on.
    static func runOpen(
        _ registration: SelfRegistration = SelfRegistration(scope: ScopeSet(parsing: "basic more")),
        _ body: @Sendable (TestServer) async throws -> Void
    ) async throws {
        try await run(configure: { configuration, _ in configuration.registration = registration }, body)
    }

    static var metadata: [String: Any] {
        [
            "client_name": "Claude Code", "redirect_uris": ["http://localhost:8080/callback"],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        ]
    }

    func register(_ changes: [String: Any?] = [:], headers: [String] = []) async throws -> Reply {
        var members = Self.metadata
        for (name, value) in changes { members[name] = value }
        let json = try JSONSerialization.data(withJSONObject: members)
        return try await post(
            body: String(decoding: json, as: UTF8.self), type: "application/json", headers: headers,
            path: "/oauth2/register")
    }

    func stranger(_ changes: [String: Any?] = [:]) async throws -> Stranger {
        let reply = try await register(changes)
        #expect(reply.status == 201, "\(reply.text)")
        let uris = try #require(reply.json["redirect_uris"] as? [String])
        return Stranger(id: try #require(reply.member("client_id")), redirectURI: try #require(uris.first))
    }

    /// The size of the vault, with what waits beside it.
    func storedBytes() throws -> Int {
        try ["vault", "vault-wal"].reduce(0) { sum, name in
            let path = directory + "/" + name
            guard FileManager.default.fileExists(atPath: path) else { return sum }
            return sum + (try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0)
        }
    }
}

@Suite(.bounded) struct `RFC 7591, clients that register themselves` {
    @Test func `the answer tells what is registered, and nothing is stored`() async throws {
        try await TestServer.runOpen { server in
            let size = try await server.vault.auditSize()
            let reply = try await server.register(
                ["scope": "basic more other", "logo_uri": "https://a.example/logo", "x": ["y": 1]],
                headers: ["Origin: https://inspector.example"])
            #expect(reply.status == 201)
            #expect(reply.header("cache-control") == "no-store")
            #expect(reply.header("access-control-allow-origin") == "*")
            #expect(
                reply.json.keys.sorted() == [
                    "client_id", "client_id_issued_at", "client_name", "grant_types", "redirect_uris",
                    "response_types", "scope", "token_endpoint_auth_method",
                ])
            #expect(reply.member("client_name") == "Claude Code")
            #expect(reply.member("scope") == "basic more")
            #expect(reply.member("token_endpoint_auth_method") == "none")
            #expect(reply.json["client_id_issued_at"] as? Int64 == server.clock.now().secondsSince1970)
            let id = try #require(reply.member("client_id"))
            #expect(id.utf8.count < 400 && id.utf8.allSatisfy { (0x21...0x7E).contains($0) })
            #expect(!id.contains("Claude"))
            // No two registrations are the same client.
            #expect(try await server.register().member("client_id") != id)
            #expect(try await server.vault.clients.list().isEmpty)
            #expect(try await server.vault.auditSize() == size)
            let metadata = try await server.send("GET", "/.well-known/oauth-authorization-server")
            #expect(metadata.member("registration_endpoint") == server.issuer + "/oauth2/register")
        }
    }

    @Test func `a client appears with the first consent, and stays`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger()
            let browser = Browser(server)
            let user = try await browser.haveSession()
            let page = try await stranger.authorize(browser)
            #expect(page.text.contains("Claude Code") && page.text.contains("localhost:8080"))
            #expect(page.text.contains("chose its name itself"))
            // A denial stores nothing.
            let denied = try await browser.decide("deny", page)
            #expect(denied.answer["error"] == "access_denied")
            #expect(try await server.vault.clients.list().isEmpty)

            let answer = try await stranger.allow(
                browser, ["redirect_uri": "http://localhost:51004/callback"])
            #expect(answer.destination == "http://localhost:51004/callback")
            let kept = try #require(await server.vault.clients.list().first)
            #expect(kept.isSelfRegistered && kept.clientID == stranger.id)
            #expect(kept.registration.lifetimes.absolute == .seconds(30 * 86400))
            #expect(kept.registration.isPublic && !kept.registration.mayIntrospect)
            #expect(kept.registration.rotation == .untilFirstUse(cap: .seconds(86400)))
            let entry = try #require(await server.entries("client.add").last)
            #expect(entry.reason == "self_registered")
            let code = try #require(answer.answer["code"])
            let other = Stranger(id: stranger.id, redirectURI: "http://localhost:51004/callback")
            let tokens = try await other.redeem(code, server)
            #expect(tokens.status == 200 && tokens.member("scope") == "basic")
            #expect(try await stranger.refresh(tokens.refreshToken, server).status == 200)

            // It is asked about every time, and another user meets the same client.
            server.clock.advance(by: .seconds(2 * 86400))
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).isPage)
            let second = Browser(server)
            try await second.haveSession("bob")
            #expect(try await stranger.allow(second).answer["code"] != nil)
            #expect(try await server.vault.clients.list().count == 1)
            // Withdrawn, it may ask again.
            try await server.vault.account(of: user.id).withdrawConsent(from: kept.id)
            #expect(try await stranger.allow(browser).answer["code"] != nil)
        }
    }

    @Test func `names need not be unique, and name no client to operators`() async throws {
        try await TestServer.runOpen { server in
            _ = try await server.client("Claude Code")
            let browser = Browser(server)
            try await browser.haveSession()
            for _ in 0..<2 {
                #expect(try await server.stranger().allow(browser).answer["code"] != nil)
            }
            #expect(try await server.vault.clients.list().count == 3)
            #expect(try await !server.vault.clients.find("Claude Code").isSelfRegistered)
        }
    }

    @Test func `unused it is over after a day, and the page says so`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger()
            let browser = Browser(server)
            server.clock.advance(by: .seconds(86_399))
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 200)
            server.clock.advance(by: .seconds(1))
            let page = try await stranger.authorize(browser)
            #expect(page.status == 400 && page.isPage && page.header("location") == nil)
            #expect(page.text.contains("24 hours"))
            let token = try await server.post([
                "grant_type": "refresh_token", "refresh_token": "x", "client_id": stranger.id,
            ])
            #expect(token.status == 401 && token.error == "invalid_client")
        }
    }

    @Test func `it gets what is open to such clients, and no more`() async throws {
        try await TestServer.runOpen { server in
            _ = try await server.client("other", scope: "admin")
            let stranger = try await server.stranger()
            let browser = Browser(server)
            try await browser.haveSession()
            let wide = try await stranger.allow(browser, ["scope": "basic admin"])
            #expect(try await stranger.redeem(wide.answer["code"], server).member("scope") == "basic")
            #expect(try await stranger.authorize(browser, ["scope": "admin"]).text.contains("invalid_scope"))
            // A client that asks for nothing gets all of it, not nothing.
            let all = try await stranger.allow(browser, ["scope": nil])
            #expect(try await stranger.redeem(all.answer["code"], server).member("scope") == "basic more")
        }
    }

    @Test func `without a scope of its own, registration opens what native clients have`() async throws {
        try await TestServer.runOpen(SelfRegistration()) { server in
            _ = try await server.client("web", scope: "admin")
            let closed = try await server.register()
            #expect(closed.status == 400 && closed.error == "invalid_client_metadata")
            _ = try await server.publicClient("pages")
            #expect(try await server.register().status == 400)
            _ = try await server.client("phone", scope: "basic", grants: [.authorizationCode]) {
                $0.authenticationMethods = [.none]
                $0.redirectURIs = ["http://127.0.0.1/cb"]
            }
            #expect(try await server.register().member("scope") == "basic")
            // What an operator closes is closed for those that are registered, too.
            let stranger = try await server.stranger()
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser).answer["code"] != nil)
            try await server.vault.clients.remove("phone")
            #expect(try await stranger.authorize(browser).text.contains("invalid_scope"))
        }
    }

    @Test func `an operator can switch one off, and registration`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger()
            let browser = Browser(server)
            try await browser.haveSession()
            _ = try await stranger.allow(browser)
            try await server.vault.clients.disable(stranger.id)
            #expect(try await stranger.authorize(browser).status == 400)
        }
        try await TestServer.run { server in
            #expect(try await server.register().status == 404)
            let metadata = try await server.send("GET", "/.well-known/oauth-authorization-server")
            #expect(metadata.member("registration_endpoint") == nil)
        }
    }

    @Test func `an initial access token may be demanded`() async throws {
        var registration = SelfRegistration(scope: ScopeSet(parsing: "basic"))
        registration.initialAccessToken = SecretBytes(copying: "let-me-in-let-me-in")
        try await TestServer.runOpen(registration) { server in
            for wrong in [
                [], ["Authorization: Bearer let-me-in-let-me-i"], ["Authorization: Basic bGV0LW1lLWlu"],
            ] {
                let reply = try await server.register(headers: wrong)
                #expect(reply.status == 401 && reply.error == "invalid_token")
                #expect(reply.header("www-authenticate")?.hasPrefix("Bearer ") == true)
            }
            let right = try await server.register(headers: ["Authorization: Bearer let-me-in-let-me-in"])
            #expect(right.status == 201)
            #expect(!server.log.all.joined().contains("let-me"))
        }
    }
}

@Suite(.bounded) struct `RFC 7591 section 2, what a client may choose` {
    private static let long = String(repeating: "a", count: 1100)

    @Test(
        arguments: [
            ("redirect_uris", nil), ("redirect_uris", [String]()),
            ("redirect_uris", "https://secret.example"),
            ("redirect_uris", [1]), ("redirect_uris", ["http://secret.example/cb"]),
            ("redirect_uris", ["https://secret.example/#x"]), ("redirect_uris", ["javascript:secret"]),
            ("redirect_uris", ["secret:/cb"]), ("redirect_uris", ["/secret"]), ("redirect_uris", ["*secret"]),
            ("redirect_uris", ["https://a:secret@a.example"]), ("redirect_uris", ["https://secret/" + long]),
            ("redirect_uris", (1...9).map { "https://secret.example/\($0)" }),
            ("grant_types", ["secret"]), ("grant_types", "secret"), ("response_types", ["secret"]),
            ("client_name", "secret" + long), ("client_name", ""), ("client_name", " secret"),
            ("client_name", "secret\u{0}"), ("client_name", ["secret"]),
            ("token_endpoint_auth_method", ["secret"]), ("scope", 7),
        ] as [(String, (any Sendable)?)])
    func `the refusal names the member, and does not repeat it`(
        _ member: String, _ value: (any Sendable)?
    ) async throws {
        try await TestServer.runOpen { server in
            let reply = try await server.register([member: value])
            #expect(reply.status == 400)
            let error = member == "redirect_uris" ? "invalid_redirect_uri" : "invalid_client_metadata"
            #expect(reply.error == error || reply.error == "invalid_client_metadata", "\(reply.text)")
            #expect(reply.member("error_description")?.contains(member) == true, "\(reply.text)")
            #expect(!reply.text.contains("secret"))
            #expect(reply.text.utf8.count < 400)
        }
    }

    @Test(arguments: ["", "{", "[]", "null", #"{"a":1,"a":2}"#, "\u{FEFF}{}", #"{"client_name":"\ud800"}"#])
    func `a body that is no such object is refused`(_ body: String) async throws {
        try await TestServer.runOpen { server in
            let reply = try await server.post(body: body, type: "application/json", path: "/oauth2/register")
            #expect(reply.status == 400 && reply.error == "invalid_client_metadata")
            let form = try await server.post(body: "client_name=a", path: "/oauth2/register")
            #expect(form.status == 400 && form.error == "invalid_client_metadata")
        }
    }

    @Test func `too large a body is refused, and so is another method`() async throws {
        try await TestServer.runOpen { server in
            let reply = try await server.register(["x": String(repeating: "a", count: 70_000)])
            #expect(reply.status == 413)
            #expect(try await server.send("GET", "/oauth2/register").status == 405)
            #expect(try await server.send("DELETE", "/oauth2/register").status == 405)
        }
    }

    @Test func `what a public client cannot have is replaced, and the answer tells`() async throws {
        try await TestServer.runOpen { server in
            let reply = try await server.register([
                "token_endpoint_auth_method": "client_secret_basic", "client_name": nil,
                "grant_types": ["authorization_code", "client_credentials", "implicit"],
                "redirect_uris": ["https://app.example/cb", "https://app.example/cb", "cursor://a/cb"],
            ])
            #expect(reply.status == 201)
            #expect(reply.member("token_endpoint_auth_method") == "none")
            #expect(reply.member("client_secret") == nil)
            #expect(reply.json["grant_types"] as? [String] == ["authorization_code"])
            #expect(reply.member("client_name") == "app.example")
            let stranger = Stranger(
                id: try #require(reply.member("client_id")), redirectURI: "cursor://a/cb")
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await stranger.allow(browser)
            let tokens = try await stranger.redeem(answer.answer["code"], server)
            #expect(tokens.status == 200 && tokens.refreshToken == nil)
            // PKCE is not optional.
            let bare = try await stranger.authorize(
                browser, ["code_challenge": nil, "code_challenge_method": nil])
            #expect(bare.status == 400 && bare.text.contains("code_challenge"))
        }
    }

    @Test func `the longest identifier is within 2 KiB, and works`() async throws {
        try await TestServer.runOpen { server in
            let uris = (1...8).map { "https://app.example/\($0)" + String(repeating: "a", count: 107) }
            #expect(uris.reduce(0) { $0 + $1.utf8.count } == 1024)
            let stranger = try await server.stranger([
                "redirect_uris": uris, "client_name": String(repeating: "ä", count: 64),
            ])
            #expect(stranger.id.utf8.count <= 2048)
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await stranger.allow(browser)
            #expect(try await stranger.redeem(answer.answer["code"], server).status == 200)
        }
    }
}

@Suite(.bounded) struct `Who registers, fills no disk and passes for no other` {
    @Test func `forged and borrowed identifiers are unknown`() async throws {
        let foreign = Foreign()
        try await TestServer.runOpen { server in try await foreign.keep(server.stranger().id) }
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await stranger.authorize(browser)
            var forged = [
                await foreign.id, "tv_ci_", "tv_ci_" + String(repeating: "A", count: 400), stranger.id + "A",
                String(stranger.id.dropLast()), String(stranger.id.dropFirst(6)),
                // Sealed by us, for something else.
                "tv_ci_" + (page.field("form") ?? ""), "tv_ci_" + (browser.session ?? ""),
                stranger.id + String(repeating: "A", count: 2048),
            ]
            for place in stride(from: 6, to: stranger.id.utf8.count, by: 5) {
                var flipped = Array(stranger.id.utf8)
                flipped[place] = flipped[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
                forged.append(String(decoding: flipped, as: UTF8.self))
            }
            for id in forged {
                let reply = try await Stranger(id: id, redirectURI: stranger.redirectURI).authorize(browser)
                #expect(reply.status == 400 && reply.header("location") == nil, "\(id)")
            }
            #expect(try await server.vault.clients.list().isEmpty)
        }
    }

    @Test func `an address that was not registered gets no answer`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger(["redirect_uris": ["https://app.example/cb"]])
            let browser = Browser(server)
            try await browser.haveSession()
            for uri in ["https://evil.example/cb", "https://app.example/cb/", "http://localhost:1/cb"] {
                let reply = try await stranger.authorize(browser, ["redirect_uri": uri])
                #expect(reply.status == 400 && reply.header("location") == nil)
            }
        }
    }

    /// RFC 9700 section 4.11.2: a link to this server must not be a link to anywhere.
    @Test func `a wrong request is no redirect to an address that anyone may register`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger(["redirect_uris": ["https://evil.example/cb"]])
            let browser = Browser(server)
            let wrong: [[String: String?]] = [
                ["scope": "admin"], ["scope": "a  b"], ["response_type": "token"], ["response_type": nil],
                ["prompt": "none"], ["code_challenge": nil], ["resource": "x"], ["max_age": "x"],
                ["request": "x"], ["response_mode": "form"],
            ]
            for isSignedIn in [false, true] {
                if isSignedIn { try await browser.haveSession() }
                for changes in wrong {
                    let reply = try await stranger.authorize(browser, changes)
                    #expect(reply.isPage && reply.header("location") == nil, "\(changes)")
                }
            }
            // A user who has seen the address sends the answer there.
            let denied = try await browser.decide("deny", stranger.authorize(browser))
            #expect(denied.destination == "https://evil.example/cb")
            #expect(denied.answer["error"] == "access_denied")
        }
    }

    @Test func `a user brings a hundred of them in a month, whatever is taken back`() async throws {
        try await TestServer.runOpen { server in
            let browser = Browser(server)
            let user = try await browser.haveSession()
            for round in 0..<Limits.selfRegisteredClients {
                #expect(try await server.stranger().allow(browser).answer["code"] != nil)
                guard round % 2 == 0 else { continue }
                let last = try #require(await server.vault.clients.list().last)
                try await server.vault.account(of: user.id).withdrawConsent(from: last.id)
            }
            // Half of the consents are gone, and no row is.
            #expect(try await server.vault.consents.list(ofUser: user.id).count == 50)
            let more = try await server.stranger()
            #expect(try await more.allow(browser).answer["error"] == "access_denied")
            #expect(try await server.vault.clients.list().count == Limits.selfRegisteredClients)
            // What another user brought is no new row.
            let other = Browser(server)
            try await other.haveSession("bob")
            #expect(try await more.allow(other).answer["code"] != nil)
            #expect(try await more.allow(browser).answer["code"] != nil)
            server.clock.advance(by: Limits.selfRegisteredWindow)
            try await browser.haveSession()
            #expect(try await server.stranger().allow(browser).answer["code"] != nil)
        }
    }

    @Test func `a user allows a hundred of them, whichever user brought them`() async throws {
        try await TestServer.runOpen { server in
            let users = [try await server.user("alice"), try await server.user("bob")]
            var first: Client?
            for number in 0...Limits.selfRegisteredClients {
                let client = try Self.stranger(number, server)
                // Each brings half of them, and alice allows them all, as far as she may.
                for user in [users[number % 2], users[0]] {
                    let kept = try await server.vault.clients.keep(
                        client, allowedBy: user.id, through: .http, requestID: nil)
                    let isOver = user.id == users[0].id && number == Limits.selfRegisteredClients
                    #expect((kept == nil) == isOver)
                    first = first ?? kept
                }
            }
            let id = try #require(first).id
            try await server.vault.account(of: users[0].id).withdrawConsent(from: id)
            let again = try await server.vault.clients.keep(
                try #require(first), allowedBy: users[0].id, through: .http, requestID: nil)
            #expect(again != nil)
        }
    }

    @Test func `the last one is one, however many are allowed at once`() async throws {
        try await TestServer.runOpen { server in
            let user = try await server.user()
            let kept = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<Limits.selfRegisteredClients + 8 {
                    let client = try Self.stranger(number, server)
                    group.addTask {
                        try await server.vault.clients.keep(
                            client, allowedBy: user.id, through: .http, requestID: nil) != nil
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(kept == Limits.selfRegisteredClients)
            #expect(try await server.vault.clients.list().count == kept)
        }
    }

    private static func stranger(_ number: Int, _ server: TestServer) throws -> Client {
        var registration = ClientRegistration(name: "app")
        registration.authenticationMethods = [.none]
        registration.redirectURIs = ["https://app.example/\(number)"]
        registration.scope = try #require(ScopeSet(parsing: "basic"))
        return Client(registration, clientID: "tv_ci_\(number)", registeredAt: server.clock.now())
    }

    @Test func `the sign-in page does not lend a stranger its name`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger([
                "client_name": "Your Bank", "redirect_uris": ["https://evil.example/cb"],
            ])
            let page = try await stranger.authorize(Browser(server))
            #expect(page.text.contains("evil.example") && !page.text.contains("Your Bank"))
            let browser = Browser(server)
            try await browser.haveSession()
            let consent = try await stranger.authorize(browser)
            #expect(consent.text.contains("evil.example") && consent.text.contains("chose its name itself"))
            #expect(!(try await browser.authorize(try await server.client())).text.contains("chose its name"))
        }
    }
}

/// An identifier from another vault.
private actor Foreign {
    private(set) var id = ""

    func keep(_ id: String) { self.id = id }
}
