import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore

/// What every page is: not framed, not kept, not scripted, and escaped.
@Suite(.bounded) struct `Pages for browsers` {
    private func pages(_ server: TestServer, _ app: Party) async throws -> [(String, Reply)] {
        let nobody = Browser(server)
        let browser = Browser(server)
        try await browser.haveSession()
        let consent = try await browser.authorize(app, ["prompt": "consent"])
        let signIn = try await nobody.authorize(app)
        let throttled = Browser(server)
        var last = try await throttled.get("/sign-in")
        for _ in 0..<11 { last = try await throttled.signIn(last, as: "nobody", password: "wrong password") }
        return [
            ("sign-in", signIn), ("consent", consent),
            ("wrong password", try await nobody.signIn(signIn, password: "wrong password")),
            ("throttled", last),
            ("error", try await nobody.authorize(app, ["client_id": "nobody"])),
            ("consents", try await browser.get("/account/consents")),
            ("sign-out", try await browser.get("/sign-out")),
            ("signed out", try await nobody.get("/sign-out")),
            ("405", try await nobody.send("PUT", "/sign-in")),
            ("forged", try await nobody.post("/consent", ["form": "x"])),
        ]
    }

    @Test func `none can be framed, cached, scripted or named to where it leads`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for (name, page) in try await pages(server, app) {
                #expect(page.isPage, "\(name)")
                let policy = page.header("content-security-policy") ?? ""
                for rule in [
                    "default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
                ] {
                    #expect(policy.contains(rule), "\(name)")
                }
                #expect(!policy.contains("unsafe"), "\(name)")
                #expect(page.header("x-frame-options") == "DENY", "\(name)")
                #expect(page.header("referrer-policy") == "no-referrer", "\(name)")
                #expect(page.header("cache-control") == "no-store", "\(name)")
                #expect(page.header("x-content-type-options") == "nosniff", "\(name)")
                #expect(page.header("x-request-id")?.count == 16, "\(name)")
                #expect(!page.text.contains("<script"), "\(name)")
                #expect(!page.text.contains("style="), "\(name)")
                #expect(!page.text.contains(" onclick"), "\(name)")
                #expect(page.text.hasPrefix("<!doctype html>\n<html lang=\"en\">"), "\(name)")
                #expect(!page.text.contains("{{"), "\(name)")
                #expect(page.text.components(separatedBy: "<h1>").count == 2, "\(name)")
                #expect(page.text.components(separatedBy: "<title></title>").count == 1, "\(name)")
            }
        }
    }

    @Test func `a redirect is neither kept nor named further`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(app)
            #expect(answer.header("cache-control") == "no-store")
            #expect(answer.header("referrer-policy") == "no-referrer")
            #expect(answer.body.isEmpty)
        }
    }

    // Chromium applies form-action to the whole chain of redirects after a form: where the chain leads to a client,
    // it leads on to origins that only the client knows.
    @Test func `forms that lead to a client may lead anywhere, all others to this server alone`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let leading: Set = ["sign-in", "wrong password", "consent"]
            for (name, page) in try await pages(server, app) {
                let policy = page.header("content-security-policy") ?? ""
                #expect(policy.contains("form-action") == !leading.contains(name), "\(name)")
                #expect(policy.hasSuffix("; form-action 'self'") == !leading.contains(name), "\(name)")
            }
        }
    }

    // Mustache escapes by grapheme: a combining character behind a quotation mark hides it.
    @Test(arguments: [
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onfocus='x", "{{user}}{{{form}}}",
        "\"\u{301} onfocus=alert(1) x=\"", "<\u{338}b>", "&lt;b&gt;", "</title><b>",
    ])
    func `text from outside stays text`(_ text: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client("App " + text)
            let name = "user " + text
            let user = Browser(server)
            try await user.haveSession(name)
            let nobody = Browser(server)
            let signIn = try await nobody.authorize(app, ["login_hint": text])
            let refused = try await nobody.signIn(signIn, as: text, password: "wrong password")
            let consent = try await user.authorize(app)
            _ = try await user.decide("allow", consent)
            let replies = [
                signIn, refused, consent, try await user.get("/account/consents"),
                try await user.get("/sign-out"),
                try await nobody.authorize(app, ["client_id": text, "redirect_uri": text, "state": text]),
            ]
            let escaped = escape(text)
            for reply in replies {
                let page = reply.text
                #expect(escaped == text || page.utf8Range(of: text) == nil, "\(page)")
            }
            for reply in replies.dropLast(2) {
                #expect(reply.text.utf8Range(of: escaped) != nil, "\(reply.text)")
            }
            // The name of a user is kept in NFC.
            let kept = escape(text.precomposedStringWithCanonicalMapping)
            #expect(replies[4].text.utf8Range(of: kept) != nil, "\(replies[4].text)")
        }
    }

    private func escape(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "<": "&lt;"
            case ">": "&gt;"
            case "&": "&amp;"
            case "\"": "&quot;"
            case "'": "&#39;"
            default: String(scalar)
            }
        }.joined()
    }

    @Test(arguments: [
        "\u{202E}evil", "a\u{202D}b\u{2067}", "\u{202A}\u{202B}\u{202C}\u{2066}\u{2068}\u{2069}x",
    ])
    func `no name turns around the text behind it`(_ name: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client("app " + name)
            let browser = Browser(server)
            let signIn = try await browser.authorize(app, ["login_hint": name])
            // What is typed is typed back.
            #expect(signIn.text.contains("value=\"\(name)\""))
            // A user has no such name at all.
            await #expect(throws: VaultError(.invalidInput, "")) { try await server.vault.users.add(name) }
            try await browser.haveSession("alice")
            let consent = try await browser.authorize(app)
            _ = try await browser.decide("allow", consent)
            let shown = name.unicodeScalars.filter(\.isASCII).map { String($0) }.joined()
            let consents = try await browser.get("/account/consents")
            #expect(!consents.text.contains(name))
            for page in [signIn, consent, consents] {
                #expect(page.text.contains("<bdi>app \(shown)</bdi>"))
            }
        }
    }

    @Test(arguments: [("stylesheet", "css", "text/css; charset=utf-8"), ("icon", "svg", "image/svg+xml")])
    func `what pages fetch is named by its content and may be kept`(
        _ relation: String, _ suffix: String, _ type: String
    ) async throws {
        try await TestServer.run { server in
            let page = try await Browser(server).get("/sign-in")
            let links = page.text.matches(
                of: /<link rel="([a-z]+)"[^>]* href="(\/assets\/[a-z]+-[0-9a-f]{16}\.([a-z]+))">/)
            #expect(links.count == 2)
            let link = try #require(links.first { $0.1 == relation && $0.3 == suffix })
            let asset = try await Browser(server).get(String(link.2))
            #expect(asset.status == 200)
            #expect(asset.header("content-type") == type)
            #expect(asset.header("cache-control")?.contains("immutable") == true)
            #expect(asset.header("x-content-type-options") == "nosniff")
            #expect(asset.header("content-security-policy")?.hasPrefix("default-src 'none'") == true)
        }
    }
}

extension String {
    /// By octets: strings compare by grapheme, which is what an escape must not do.
    fileprivate func utf8Range(of other: String) -> Range<Int>? {
        let octets = Array(utf8)
        let sought = Array(other.utf8)
        guard !sought.isEmpty, sought.count <= octets.count else { return nil }
        for start in 0...(octets.count - sought.count)
        where octets[start..<(start + sought.count)].elementsEqual(sought) {
            return start..<(start + sought.count)
        }
        return nil
    }
}
