import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// An issuer whose URL has a path, behind a proxy that keeps the path or one that takes it off.
@Suite(.bounded) struct `An issuer with a path` {
    private static let path = "/tenants/a_1"
    private static let issuer = "https://id.example" + path

    /// What the proxy makes of an address that a browser asks for.
    enum Proxy: CaseIterable {
        case keeps
        case takesOff

        func passes(_ address: String) throws -> String {
            #expect(address.hasPrefix(path + "/"))
            return self == .keeps ? address : String(address.dropFirst(path.utf8.count))
        }
    }

    @Test(arguments: Proxy.allCases)
    func `every endpoint in its metadata answers`(_ proxy: Proxy) async throws {
        for profile in IssuerProfile.all {
            try await TestServer.runOpenID(profile, issuer: Self.issuer) { server in
                let metadata = try await server.send(
                    "GET", "/.well-known/oauth-authorization-server" + Self.path
                ).json
                let named = metadata.filter { $0.key.hasSuffix("_endpoint") || $0.key == "jwks_uri" }
                #expect(named.count == 7)
                var addresses = named.values.compactMap { $0 as? String }
                addresses += (profile.tokenPaths + profile.authorizePaths).map { Self.issuer + $0 }
                addresses += ["/health/live", "/health/ready"].map { Self.issuer + $0 }
                for address in addresses {
                    let asked = try proxy.passes(String(address.dropFirst("https://id.example".utf8.count)))
                    #expect(try await server.send("GET", asked).status != 404, "\(asked)")
                }
            }
        }
    }

    @Test(arguments: Proxy.allCases)
    func `a user signs in, allows, takes back and signs out`(_ proxy: Proxy) async throws {
        try await TestServer.run(issuer: Self.issuer) { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let visit = Visit(browser: Browser(server), proxy: proxy)
            let signIn = try await visit.get(Self.path + "/oauth2/authorize?" + Browser.query(app))
            let consent = try await visit.submit(
                signIn, ["user": "alice", "password": Browser.password])
            let code = try await visit.submit(consent, ["decision": "allow"]).answer["code"]
            #expect(try await server.redeem(try #require(code), app).status == 200)

            let consents = try await visit.get(Self.path + "/account/consents")
            let withdrawn = try await visit.submit(consents, [:])
            #expect(withdrawn.text.contains("nothing") || withdrawn.field("form") == nil)
            let signOut = try await visit.get(try #require(withdrawn.link(after: "<nav")))
            let last = try await visit.submit(signOut, [:])
            #expect(last.text.contains("You are signed out"))
            let again = try #require(last.link(after: "<nav"))
            #expect(try await visit.get(again).status == 200)
        }
    }

    // `/api` and `/oauth2/token` come to `/api/oauth2/token`, which the profile has besides.
    @Test(arguments: ["/api", "/api/v1", "/v2", "/.well-known/oauth-authorization-server"])
    func `a path that leads to an address of the profile again is served`(_ path: String) async throws {
        try await TestServer.runOpenID(.quantimodo, issuer: "https://id.example" + path) { server in
            let app = try await server.client()
            for own in IssuerProfile.quantimodo.tokenPaths {
                for address in [own, path + own] {
                    let reply = try await server.post(
                        ["grant_type": "client_credentials"], authorization: app.basic, path: address)
                    #expect(reply.status == 200, "\(address)")
                }
            }
        }
    }

    // RFC 8414 section 3.1: "any terminating "/" MUST be removed".
    @Test(arguments: ["https://id.example/a%20b", "https://id.example/a:b/(c)", "https://id.example/a/"])
    func `its characters are taken as they are`(_ issuer: String) async throws {
        try await TestServer.run(issuer: issuer) { server in
            let path = issuer.dropFirst("https://id.example".utf8.count)
            let bare = String(path.hasSuffix("/") ? path.dropLast() : path)
            for address in [
                "/.well-known/oauth-authorization-server" + bare, bare + "/sign-in", bare + "/health/live",
            ] {
                let reply = try await server.send("GET", address)
                #expect(reply.status == 200, "\(address)")
            }
        }
    }
}

/// Two issuers on one host, whose cookies browsers send to both (RFC 6265 section 8.5).
@Suite(.bounded) struct `Two issuers on one host` {
    // At two ports, and below two paths.
    @Test(arguments: [(nil, nil), ("https://id.example/a", "https://id.example/b")])
    func `neither signs the other's users out`(_ first: String?, _ second: String?) async throws {
        try await TestServer.run(issuer: first) { one in
            try await TestServer.run(issuer: second) { two in
                let (here, there) = (Browser(one), Browser(two))
                for (browser, other) in [(here, there), (there, here)] {
                    _ = try await browser.server.user(hasPassword: true)
                    _ = try await browser.signIn(try await browser.get("/sign-in"))
                    for (name, value) in browser.cookies { other.setCookie(name, value) }
                }
                #expect(Set(here.cookies.keys).count == 4)
                for browser in [here, there] {
                    #expect(try await browser.get("/account/consents").text.contains("alice"))
                }
                let form = try #require(try await there.get("/sign-out").field("form"))
                _ = try await there.post("/sign-out", ["form": form])
                #expect(there.session == nil)
                here.setCookie(there.sessionCookie, nil)
                #expect(try await here.get("/account/consents").text.contains("alice"))
            }
        }
    }
}

/// A browser in front of a proxy: asks for what the pages name.
private struct Visit {
    let browser: Browser
    let proxy: `An issuer with a path`.Proxy

    /// Follows redirects of the server, and looks after what a page fetches.
    func get(_ address: String) async throws -> Reply {
        try await read(try await browser.get(try proxy.passes(address)))
    }

    /// Sends the first form of the page, where it says.
    func submit(_ page: Reply, _ fields: [String: String]) async throws -> Reply {
        let action = try #require(page.link(after: "<form", attribute: "action"))
        let form = ["form": try #require(page.field("form"))].merging(fields) { $1 }
        let body = form.map { "\($0)=\(TestServer.encode($1))" }.joined(separator: "&")
        return try await read(try await browser.post(try proxy.passes(action), body: body))
    }

    private func read(_ reply: Reply) async throws -> Reply {
        if let location = reply.header("location") {
            return location.hasPrefix("/") ? try await get(location) : reply
        }
        #expect(reply.status == 200, "\(reply.text)")
        for tag in ["rel=\"stylesheet\"", "rel=\"icon\""] {
            let asset = try proxy.passes(try #require(reply.link(after: tag)))
            #expect(try await browser.get(asset).status == 200, "\(asset)")
        }
        return reply
    }
}

extension Reply {
    /// The address in the first such attribute after `mark`.
    fileprivate func link(after mark: String, attribute: String = "href") -> String? {
        guard let start = text.range(of: mark),
            let name = text.range(of: "\(attribute)=\"", range: start.upperBound..<text.endIndex)
        else { return nil }
        return String(text[name.upperBound...].prefix { $0 != "\"" })
    }
}
