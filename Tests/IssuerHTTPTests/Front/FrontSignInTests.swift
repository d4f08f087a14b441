import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// A trusted front signs users in: whom it names is who is signed in, and no other way leads in.
@Suite(.bounded) struct `Sign-in by a trusted front` {
    @Test func `a user is made at the first sign-in, found at the next, and told of to clients`() async throws
    {
        try await Front.run { server, front in
            let app = try await server.client(scope: "openid profile email basic")
            let claims = front.claims(
                "24400320",
                [
                    "email": "alice@example.com", "email_verified": "1", "name": "Älice Adams",
                    "preferred_username": "alice", "locale": "de",
                ])
            let browser = Browser(server)
            let back = try await front.signIn(browser, for: app, claims)
            #expect(back.leadsBack)
            let consent = try await browser.follow(back)
            #expect(consent.text.contains(">alice<") && !consent.text.contains("24400320"))
            #expect(try await browser.decide("allow", consent).answer["code"] != nil)
            let user = try await server.vault.users.find("https://idp.example#24400320")
            let told = try await server.vault.users.claims(of: user.id)
            #expect(told.name == "Älice Adams" && told.preferredUsername == "alice" && told.locale == "de")
            #expect(told.email == "alice@example.com" && told.isEmailVerified)
            // In another browser, with an address that is gone at the provider.
            let other = Browser(server)
            _ = try await front.signIn(other, for: app, front.claims("24400320"))
            #expect(try await other.get("/account/consents").text.contains("app"))
            #expect(try await server.vault.users.list().count == 1)
            let later = try await server.vault.users.claims(of: user.id)
            #expect(later.email == nil && !later.isEmailVerified && later.name == nil)
            // Clients must not learn the subject at the provider.
            #expect(later.preferredUsername == server.vault.users.subject(of: user.id))
            let entries = try await server.entries("user.sign-in")
            #expect(entries.map(\.reason) == ["front", "front"])
        }
    }

    @Test func `issuer and subject tell users apart, octet for octet, and an address never joins them`()
        async throws
    {
        try await Front.run { server, front in
            let app = try await server.client()
            let address = [
                "email": "alice@example.com", "email_verified": "true", "preferred_username": "alice",
            ]
            _ = try await server.user("alice", hasPassword: true)
            for (issuer, subject) in [
                (Front.issuer, "abc"), (Front.issuer, "Abc"), (Front.issuer + "/", "abc"),
                (Front.issuer + "#a", "bc"), (Front.issuer, "a#bc"), (Front.issuer, "%41bc"),
                (Front.issuer, "a b"),
                ("https://IDP.example", "abc"), (Front.issuer, "äbc"), (Front.issuer, "a\u{308}bc"),
            ] {
                let claims = front.claims(subject, address.merging(["iss": issuer]) { $1 })
                #expect(try await front.signIn(Browser(server), for: app, claims).leadsBack)
            }
            let names = try await server.vault.users.list().map(\.name)
            #expect(names.count == 11)
            #expect(names.contains("https://idp.example#%41bc"))
            #expect(names.contains("https://idp.example#%2541bc"))
        }
    }

    @Test func `what is forged at the public address has no effect, and passwords are not taken`()
        async throws
    {
        try await Front.run { server, front in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let forged = front.claims("24400320").map { "OIDC_CLAIM_\($0): \($1)" }
            let sent = try await browser.get("/oauth2/authorize?" + Browser.query(app), headers: forged)
            let target = try #require(sent.frontTarget)
            #expect(try await browser.get(target, headers: forged).status == 404)
            #expect(try await browser.get("/sign-in", headers: forged).frontTarget != nil)
            let form = try #require(target.split(separator: "?").last)
            for path in ["/sign-in", Front.path] {
                let reply = try await browser.post(
                    path, ["form": String(form), "user": "alice", "password": Browser.password])
                #expect(reply.status == 404 || reply.status == 405)
            }
            #expect(browser.session == nil)
            #expect(try await server.vault.users.list().count == 1)
        }
    }

    @Test func `the link of another browser signs no one in`() async throws {
        try await Front.run { server, front in
            let app = try await server.client()
            let mallory = Browser(server)
            let target = try #require(try await mallory.authorize(app).frontTarget)
            let claims = front.claims("mallory")
            let empty = Browser(server)
            let refused = try await front.send(empty, to: target, claims)
            #expect(refused.status == 409 && refused.isPage)
            let alice = Browser(server)
            _ = try await alice.authorize(app)
            let sentBack = try await front.send(alice, to: target, claims)
            #expect(sentBack.leadsBack)
            #expect(empty.session == nil && alice.session == nil)
            #expect(try await server.vault.users.list().isEmpty)
            // From there it goes on in the own browser.
            let again = try #require(try await alice.follow(sentBack).frontTarget)
            #expect(try await front.send(alice, to: again, front.claims("alice")).leadsBack)
            #expect(alice.session != nil)
            for other in [
                Front.path, Front.path + "?", Front.path + "?form", target.dropLast(9) + "AAAAAAAAA",
            ] {
                #expect(try await front.send(alice, to: other, claims).status == 400)
            }
        }
    }

    @Test func `a session that was there before the sign-in ends with it`() async throws {
        try await Front.run { server, front in
            let app = try await server.client()
            let browser = Browser(server)
            _ = try await front.signIn(browser, for: app, front.claims("alice"))
            let first = try #require(browser.session)
            server.clock.advance(by: .seconds(60))
            _ = try await front.signIn(browser, for: app, front.claims("bob"), asking: ["prompt": "login"])
            #expect(browser.session != first)
            let thief = Browser(server)
            thief.setCookie(thief.sessionCookie, first)
            #expect(try await thief.get("/account/consents").frontTarget != nil)
        }
    }

    @Test func `a disabled user is refused, and one that was removed comes back as another`() async throws {
        try await Front.run { server, front in
            let app = try await server.client()
            let name = "https://idp.example#alice"
            _ = try await front.signIn(Browser(server), for: app, front.claims("alice"))
            let first = try await server.vault.users.find(name)
            try await server.vault.users.disable(name)
            let browser = Browser(server)
            let refused = try await front.signIn(browser, for: app, front.claims("alice"))
            #expect(refused.status == 403 && refused.isPage)
            #expect(browser.session == nil)
            #expect(try await server.entries("user.sign-in").last?.reason == "user_disabled")
            try await server.whole { try await $0.users.remove(name) }
            #expect(try await front.signIn(browser, for: app, front.claims("alice")).leadsBack)
            let second = try await server.vault.users.find(name)
            #expect(first.id != second.id)
            #expect(try await server.vault.account(of: second.id).consents().isEmpty)
        }
    }

    @Test func `a client that asks for a new sign-in gets no old one`() async throws {
        try await Front.run { server, front in
            let app = try await server.client()
            let browser = Browser(server)
            let old = front.claims("alice")
            server.clock.advance(by: .seconds(600))
            var sent = try await browser.authorize(app, ["prompt": "login"])
            let first = try await front.send(browser, to: try #require(sent.frontTarget), old)
            #expect(first.leadsBack)
            sent = try await browser.follow(first)
            let again = try #require(sent.frontTarget)
            // The front still has its session of before: going round would not end.
            let refused = try await front.send(browser, to: again, old)
            #expect(refused.status == 403 && refused.isPage)
            let fresh = try await front.send(browser, to: again, front.claims("alice"))
            #expect(try await browser.follow(fresh).text.contains("name=\"decision\""))
        }
    }

    @Test func `what a front says half is not taken`() async throws {
        try await Front.run { server, front in
            let app = try await server.client()
            for changes in [
                ["iss": ""], ["iss": "(null)"], ["iss": "idp.example"],
                ["iss": "https://a.example, https://b.example"],
                ["sub": ""], ["sub": "(null)"], ["sub": "alice, mallory"],
                ["sub": String(repeating: "a", count: 300)],
                ["auth_time": ""], ["auth_time": "soon"], ["auth_time": "-1"],
                ["auth_time": "99999999999999999999"],
            ] {
                let browser = Browser(server)
                let reply = try await front.signIn(browser, for: app, front.claims("alice", changes))
                #expect(reply.status == 502 && reply.isPage, "\(changes)")
                #expect(browser.session == nil)
            }
            #expect(try await server.vault.users.list().isEmpty)
            let claims = front.claims(
                "alice", ["auth_time": "", "iat": "9999999999", "email": "no address", "name": "Alice"])
            #expect(try await front.signIn(Browser(server), for: app, claims).leadsBack)
            let user = try await server.vault.users.find("https://idp.example#alice")
            let told = try await server.vault.users.claims(of: user.id)
            #expect(told.email == nil && told.name == "Alice")
        }
    }
}
