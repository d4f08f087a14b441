import TestStores
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// Who is signed in: sessions begin with a password, and end.
@Suite(.bounded) struct `Sign-in sessions` {
    @Test func `a wrong password, an unknown user and a disabled one read the same`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            _ = try await server.user("carol", hasPassword: true)
            try await server.vault.users.disable("carol")
            let browser = Browser(server)
            let page = try await browser.authorize(app)
            for (name, password) in [
                ("alice", "wrong password"), ("nobody", Browser.password), ("carol", Browser.password),
                ("аlice", Browser.password), ("alice", Browser.password.uppercased()),
            ] {
                let reply = try await browser.signIn(page, as: name, password: password)
                #expect(reply.status == 403)
                #expect(reply.text.contains("The user name or the password is not right."))
                #expect(reply.text.contains("value=\"\(name)\""))
                #expect(!reply.text.contains(password))
                #expect(browser.session == nil)
                // The page still leads on.
                #expect(reply.field("form") != nil)
            }
            for (name, password) in [("", Browser.password), ("alice", "")] {
                #expect(try await browser.signIn(page, as: name, password: password).status == 400)
            }
            let last = try await browser.signIn(page, as: "nobody", password: "wrong password")
            let consent = try await browser.follow(try await browser.signIn(last, as: " Ａlice "))
            #expect(consent.text.contains("name=\"decision\""))
            #expect(consent.text.contains(">alice<"))
            #expect(
                server.log.all.allSatisfy { !$0.contains("wrong password") && !$0.contains(Browser.password) }
            )
        }
    }

    @Test func `guesses are slowed down, by name and address`() async throws {
        try await TestServer.run { server in
            _ = try await server.user(hasPassword: true)
            _ = try await server.user("bob", hasPassword: true)
            let browser = Browser(server)
            let page = try await browser.get("/sign-in")
            var last = page
            for _ in 0..<10 { last = try await browser.signIn(page, password: "wrong password") }
            #expect(last.status == 403)
            let refused = try await browser.signIn(page)
            #expect(refused.status == 429)
            #expect(Int(refused.header("retry-after") ?? "") ?? 0 > 0)
            #expect(refused.isPage)
            // Another user is not slowed down by it.
            #expect(try await browser.signIn(page, as: "bob").status == 303)
            server.clock.advance(by: .seconds(301))
            #expect(try await browser.signIn(page).status == 303)
        }
    }

    @Test func `sixty people who sign in at once are all let in`() async throws {
        try await TestServer.run { server in
            let people = (1...60).map { "person-\($0)" }
            // As many at a time as hash their passwords at a time.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for half in [people[..<30], people[30...]] {
                    group.addTask { for name in half { _ = try await server.user(name, hasPassword: true) } }
                }
                try await group.waitForAll()
            }
            let start = ContinuousClock.now
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for name in people {
                    group.addTask {
                        let browser = Browser(server)
                        return try await browser.signIn(try await browser.get("/sign-in"), as: name).status
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            }
            // Only a machine on which they wait for half a minute may tell some of them to come back.
            let isSlow = start.duration(to: .now) > Limits.passwordHashWait
            #expect(statuses == [303: 60] || isSlow, "\(statuses)")
        }
    }

    @Test func `each sign-in has a new session, and the one before is over`() async throws {
        try await TestServer.run { server in
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            // Session fixation: somebody else knows the cookie that is there before.
            try await browser.haveSession("mallory")
            let planted = try #require(browser.session)
            _ = try await browser.signIn(try await browser.get("/sign-in"))
            let first = try #require(browser.session)
            #expect(first != planted)
            _ = try await browser.signIn(try await browser.get("/sign-in"))
            let second = try #require(browser.session)
            #expect(second != first)
            for (cookie, isGood) in [(planted, false), (first, false), (second, true)] {
                let session = try await server.vault.session(SecretBytes(copying: cookie))
                #expect((session != nil) == isGood)
            }
        }
    }

    @Test func `sign-out ends the session, wherever its cookie is`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let cookie = try #require(browser.session)
            let page = try await browser.get("/sign-out")
            #expect(page.text.contains("alice"))
            let reply = try await browser.post("/sign-out", ["form": try #require(page.field("form"))])
            #expect(reply.header("set-cookie")?.hasPrefix(browser.sessionCookie + "=; ") == true)
            #expect(browser.session == nil)
            #expect(try await browser.follow(reply).text.contains("You are signed out"))
            browser.setCookie(browser.sessionCookie, cookie)
            #expect(try await browser.authorize(app).text.contains("name=\"password\""))
        }
    }

    @Test func `a session ends with its time, its user, and its password`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let ends: [@Sendable () async throws -> Void] = [
                { server.clock.advance(by: .seconds(12 * 3600 + 1)) },
                { _ = try await server.vault.users.disable("alice") },
                {
                    try await server.vault.users.setPassword(
                        SecretBytes(copying: "another password"), of: "alice")
                },
                { try await server.whole { try await $0.users.remove("alice") } },
            ]
            for (index, end) in ends.enumerated() {
                let browser = Browser(server)
                let page = try await browser.authorize(app)
                let consent = try await browser.follow(try await browser.signIn(page))
                try await end()
                // The open consent page is worth nothing any more.
                let late = try await browser.decide("allow", consent)
                #expect(late.leadsBack, "end \(index)")
                #expect(try await browser.authorize(app).text.contains("name=\"password\""), "end \(index)")
                if index == 1 { _ = try await server.vault.users.enable("alice") }
                if index == 2 { _ = try await server.user(hasPassword: true) }
            }
            #expect(try await server.vault.grants.list().isEmpty)
        }
    }

    @Test func `cookies are HttpOnly and Lax, and over https Secure and of this host alone`() async throws {
        for (issuer, prefix, ending) in [
            (nil, "tokenvault-", "; Path=/; HttpOnly; SameSite=Lax"),
            ("https://id.example", "__Host-tokenvault-", "; Path=/; HttpOnly; SameSite=Lax; Secure"),
            // The prefix is for cookies of the whole host: the path is in the name.
            ("https://id.example/a", "__Host-tokenvault-", "; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ] as [(String?, String, String)] {
            try await TestServer.run(issuer: issuer) { server in
                _ = try await server.user(hasPassword: true)
                let browser = Browser(server)
                let name = browser.sessionCookie
                #expect(name.hasPrefix(prefix) && name.utf8.count == prefix.utf8.count + 16)
                let page = try await browser.get("/sign-in")
                let before = try #require(page.header("set-cookie"))
                #expect(before.hasPrefix(name + "-form="))
                #expect(before.hasSuffix(ending))
                let after = try #require(try await browser.signIn(page).header("set-cookie"))
                #expect(after.hasPrefix(name + "="))
                #expect(after.hasSuffix(ending))
            }
        }
    }

    @Test func `guesses here count for a check by the host as well, and the other way round`() async throws {
        try await TestServer.run { server in
            for name in ["alice", "bob"] { _ = try await server.user(name, hasPassword: true) }
            let browser = Browser(server)
            let page = try await browser.get("/sign-in")
            let password = SecretBytes(copying: Browser.password)
            let wrong = SecretBytes(copying: "wrong password")
            for _ in 0..<10 {
                _ = try await browser.signIn(page, password: "wrong password")
                _ = try await server.vault.users.check(wrong, of: "bob", from: "127.0.0.1")
            }
            let answer = try await server.vault.users.check(password, of: "alice", from: "127.0.0.1")
            guard case .throttled = answer else {
                Issue.record("compared: \(answer)")
                return
            }
            #expect(try await browser.signIn(page, as: "bob").status == 429)
            let elsewhere = try await server.vault.users.check(password, of: "bob", from: "203.0.113.7")
            guard case .right = elsewhere else {
                Issue.record("kept out: \(elsewhere)")
                return
            }
        }
    }
}
