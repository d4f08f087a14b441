import Foundation
import IssuerHTTP
import Logging
import Synchronization
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// Serves what the test publishes, by URL, and counts.
private final class Published: DocumentFetching {
    private let state = Mutex<(documents: [String: Result<[UInt8], DocumentFailure>], asked: [String])>(
        ([:], []))

    var asked: [String] { state.withLock { $0.asked } }

    func put(_ text: String, at url: String) {
        state.withLock { $0.documents[url] = .success(Array(text.utf8)) }
    }

    func put(_ members: [String: Any], at url: String) throws {
        put(String(decoding: try JSONSerialization.data(withJSONObject: members), as: UTF8.self), at: url)
    }

    func fail(_ failure: DocumentFailure, at url: String) {
        state.withLock { $0.documents[url] = .failure(failure) }
    }

    func fetch(_ request: DocumentRequest) async throws(DocumentFailure) -> [UInt8] {
        let answer = state.withLock { state in
            state.asked.append(request.url.text)
            return state.documents[request.url.text] ?? .failure(.nameLookup)
        }
        return try answer.get()
    }
}

@Suite(.bounded) struct `A client is what its metadata document says now` {
    private static let url = "https://client.example/oauth/meta.json"
    private static let callback = "https://app.client.example/callback"

    private static func document(_ changes: [String: Any?] = [:]) -> [String: Any] {
        var members: [String: Any] = [
            "client_id": url, "client_name": "Notebook", "redirect_uris": [callback],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        ]
        for (name, value) in changes { members[name] = value }
        return members
    }

    private static func run(
        registration: SelfRegistration? = SelfRegistration(scope: ScopeSet(parsing: "basic")),
        isOn: Bool = true, _ body: @Sendable (TestServer, Published) async throws -> Void
    ) async throws {
        let published = Published()
        try published.put(document(), at: url)
        try await TestServer.run(configure: { configuration, vault in
            configuration.registration = registration
            let silence = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            configuration.documents =
                isOn
                ? ClientDocuments(published, logger: silence, innerHosts: [], clock: vault.clock) : nil
        }) { try await body($0, published) }
    }

    private let stranger = Stranger(id: Self.url, redirectURI: Self.callback)

    @Test func `it needs no operator, and its row comes with the first consent`() async throws {
        try await Self.run { server, published in
            let metadata = try await server.send("GET", "/.well-known/oauth-authorization-server")
            #expect(metadata.json["client_id_metadata_document_supported"] as? Bool == true)
            let browser = Browser(server)
            try await browser.haveSession()
            let size = try await server.vault.auditSize()
            let page = try await stranger.authorize(browser)
            #expect(page.text.contains("Notebook") && page.text.contains("app.client.example"))
            #expect(page.text.contains("says that it is of client.example"))
            #expect(try await server.vault.clients.list().isEmpty)
            #expect(try await server.vault.auditSize() == size)

            let code = try await browser.decide("allow", page).answer["code"]
            let kept = try #require(await server.vault.clients.list().first)
            #expect(kept.isSelfRegistered && kept.clientID == Self.url)
            #expect(kept.registration.lifetimes.absolute == .seconds(30 * 86400))
            #expect(try #require(await server.entries("client.add").last).reason == "self_registered")
            let tokens = try await stranger.redeem(code, server)
            #expect(tokens.status == 200)
            published.fail(.timeout, at: Self.url)
            server.clock.advance(by: .seconds(2 * 86400))
            #expect(try await stranger.refresh(tokens.refreshToken, server).status == 200)
            #expect(published.asked == [Self.url], "a token request of a public client reads nothing")
        }
    }

    @Test func `the user is asked every time`() async throws {
        try await Self.run { server, _ in
            let browser = Browser(server)
            try await browser.haveSession()
            for _ in 0..<2 { #expect(try await stranger.allow(browser).answer["code"] != nil) }
            #expect(
                try await stranger.authorize(browser, ["prompt": "none"]).text.contains(
                    "consent_required"))
        }
    }

    @Test func `an address it no longer names is no longer served, and a new one is`() async throws {
        try await Self.run { server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser).answer["code"] != nil)
            let moved = "https://new.client.example/callback"
            try published.put(
                Self.document(["redirect_uris": [moved], "client_name": "Renamed"]), at: Self.url)
            server.clock.advance(by: .seconds(601))
            try await browser.haveSession()
            let old = try await stranger.authorize(browser)
            #expect(old.status == 400 && old.isPage && old.header("location") == nil)
            let new = Stranger(id: Self.url, redirectURI: moved)
            #expect(try await new.authorize(browser).text.contains("Renamed"))
            let code = try await new.allow(browser).answer["code"]
            #expect(try await new.redeem(code, server).status == 200)
            let kept = try await server.vault.clients.list()
            #expect(kept.map(\.registration.redirectURIs) == [[moved]])
            #expect(try await server.entries("client.change").count == 1)
        }
    }

    @Test func `what an operator took from it stays taken, whatever the document says`() async throws {
        try await Self.run(registration: SelfRegistration(scope: ScopeSet(parsing: "basic more"))) {
            server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser).answer["code"] != nil)
            _ = try await server.vault.clients.change(Self.url) {
                $0.scope = ScopeSet(parsing: "basic") ?? .empty
                $0.lifetimes.absolute = .seconds(86400)
                $0.rotation = .strict
            }
            let uris = [Self.callback, "https://new.client.example/callback"]
            try published.put(Self.document(["redirect_uris": uris]), at: Self.url)
            server.clock.advance(by: .seconds(601))
            try await browser.haveSession()
            for _ in 0..<2 {
                let code = try await stranger.allow(browser, ["scope": "basic more"]).answer["code"]
                #expect(try await stranger.redeem(code, server).member("scope") == "basic")
            }
            let kept = try await server.vault.clients.find(Self.url).registration
            #expect(kept.redirectURIs == uris && kept.scope.text == "basic")
            #expect(kept.lifetimes.absolute == .seconds(86400) && kept.rotation == .strict)
        }
    }

    @Test func `the last good document serves for a day`() async throws {
        try await Self.run { server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 200)
            published.put("<html>", at: Self.url)
            server.clock.advance(by: .seconds(86_000))
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 200)
            server.clock.advance(by: .seconds(3600))
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 400)
        }
    }

    @Test(
        arguments: [
            ("client_id", "https://client.example/secret"), ("client_id", nil), ("client_id", 7),
            ("client_secret", "secret"), ("client_secret_expires_at", 0),
            ("token_endpoint_auth_method", "client_secret_basic"), ("token_endpoint_auth_method", "secret"),
            ("token_endpoint_auth_method", "private_key_jwt"), ("token_endpoint_auth_method", 7),
            ("redirect_uris", nil), ("redirect_uris", [String]()),
            ("redirect_uris", "https://secret.example"),
            ("redirect_uris", ["javascript:secret"]), ("redirect_uris", ["http://secret.example/cb"]),
            ("redirect_uris", (1...33).map { "https://secret.example/\($0)" }),
            ("grant_types", ["client_credentials"]), ("response_types", ["token"]),
            ("client_name", " secret"), ("client_name", ["secret"]),
        ] as [(String, (any Sendable)?)])
    func `what will not do is named on a page, and not repeated`(
        _ member: String, _ value: (any Sendable)?
    ) async throws {
        try await Self.run { server, published in
            try published.put(Self.document([member: value]), at: Self.url)
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await stranger.authorize(browser)
            #expect(page.status == 400 && page.isPage && page.header("location") == nil)
            let name = member == "client_secret_expires_at" ? "client_secret" : member
            #expect(page.text.contains(name), "\(page.text)")
            #expect(!page.text.replacing("client_secret", with: "").contains("secret"))
            #expect(try await server.vault.clients.list().isEmpty)
        }
    }

    @Test(arguments: ["", "[]", "null", "{", #"{"client_id":"a","client_id":"b"}"#, "\u{FEFF}{}"])
    func `what is no document is none`(_ text: String) async throws {
        try await Self.run { server, published in
            published.put(text, at: Self.url)
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 400)
        }
    }

    @Test func `no other text makes us ask anybody`() async throws {
        try await Self.run { server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            for id in [
                "http://client.example/oauth/meta.json", "https://client.example", Self.url + "?a=b",
                Self.url + "#a", "https://127.0.0.1/meta.json", "https://2130706433/meta.json",
                "https://localhost/meta.json", "https://client.example:8443/meta.json",
                "https://user@client.example/meta.json", "https://client.example/a/../meta.json",
                "https://CLIENT.example/oauth/meta.json",
                "https://client.example/" + String(repeating: "a", count: 600),
            ] {
                let page = try await Stranger(id: id, redirectURI: Self.callback).authorize(browser)
                #expect(page.status == 400 && page.header("location") == nil, "\(id)")
            }
            #expect(published.asked.isEmpty)
        }
    }

    @Test
    func `a failed fetch is a page, asked for once a minute, and only what passes is worth another try`()
        async throws
    {
        try await Self.run { server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            published.fail(.address, at: Self.url)
            for _ in 0..<5 { #expect(try await stranger.authorize(browser).status == 400) }
            #expect(published.asked.count == 1)
            server.clock.advance(by: .seconds(61))
            published.fail(.busy, at: Self.url)
            #expect(try await stranger.authorize(browser).status == 503)
            try published.put(Self.document(), at: Self.url)
            #expect(try await stranger.authorize(browser).status == 200)
        }
    }

    @Test(arguments: [DocumentFailure.nameLookup, .address, .connect, .tls, .timeout])
    func `a page tells no stranger what is inside`(_ failure: DocumentFailure) async throws {
        try await Self.run { server, published in
            published.fail(failure, at: Self.url)
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await stranger.authorize(browser)
            #expect(page.status == 400 && page.text.contains("its host cannot be reached"))
        }
    }

    @Test func `strangers push out no document of a client that a user allowed`() async throws {
        try await Self.run { server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser).answer["code"] != nil)
            #expect(try await stranger.authorize(browser).status == 200)
            for number in 0..<1100 {
                let id = "https://client.example/\(number).json"
                try published.put(Self.document(["client_id": id]), at: id)
                _ = try await Stranger(id: id, redirectURI: Self.callback).authorize(browser)
            }
            published.fail(.connect, at: Self.url)
            server.clock.advance(by: .seconds(3600))
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 200)
        }
    }

    @Test func `a thousand strangers store nothing`() async throws {
        try await Self.run { server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            let (bytes, size) = (try server.storedBytes(), try await server.vault.auditSize())
            for number in 0..<Effort.rounds(200, nightly: 2000) {
                let id = "https://client.example/\(number).json"
                if number.isMultiple(of: 2) { try published.put(Self.document(["client_id": id]), at: id) }
                let page = try await Stranger(id: id, redirectURI: Self.callback).authorize(browser)
                #expect(page.status == (number.isMultiple(of: 2) ? 200 : 400))
            }
            // The heartbeat of the service.
            #expect(try server.storedBytes() - bytes < 1024 * 1024)
            #expect(try await server.vault.auditSize() - size < 5)
            #expect(try await server.vault.clients.list().isEmpty)
        }
    }

    @Test func `operators switch one off, or all of them, and keep them where registration is off`()
        async throws
    {
        try await Self.run { server, published in
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser).answer["code"] != nil)
            try await server.vault.clients.disable(Self.url)
            server.clock.advance(by: .seconds(601))
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 400)
            #expect(published.asked.count == 1)
        }
        try await Self.run(isOn: false) { server, _ in
            let metadata = try await server.send("GET", "/.well-known/oauth-authorization-server")
            #expect(metadata.json["client_id_metadata_document_supported"] == nil)
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.authorize(browser).status == 400)
        }
        var registration = SelfRegistration(scope: ScopeSet(parsing: "basic"))
        registration.takesRequests = false
        try await Self.run(registration: registration) { server, _ in
            #expect(try await server.register().status == 404)
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser).answer["code"] != nil)
        }
    }
}
