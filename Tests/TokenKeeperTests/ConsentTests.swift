import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `RFC 9700 section 4.7, a callback counts once and in one browser` {
    private func begun(_ bench: KeeperBench) async throws -> (ConsentCallback, BegunConsent) {
        let begun = try await bench.keeper.begin(
            ConsentRequest(
                provider: "standard", user: bench.user.id, redirectURI: KeeperBench.redirectURI,
                session: bench.session))
        return (try KeeperBench.consent(at: begun.url, bench.server), begun)
    }

    @Test func `a callback in another browser's session is refused, and the right one still counts`()
        async throws
    {
        let bench = try await KeeperBench()
        let (callback, _) = try await begun(bench)
        await #expect(throws: KeeperError(.unknownCallback, "")) {
            try await bench.keeper.complete(callback, session: SecretBytes(copying: "a stranger's session"))
        }
        #expect(try await bench.keeper.complete(callback, session: bench.session).state == .live)
    }

    @Test func `a callback that comes twice is refused the second time`() async throws {
        let bench = try await KeeperBench()
        let (callback, _) = try await begun(bench)
        _ = try await bench.keeper.complete(callback, session: bench.session)
        await #expect(throws: KeeperError(.unknownCallback, "")) {
            try await bench.keeper.complete(callback, session: bench.session)
        }
    }

    @Test func `a callback that comes too late is refused`() async throws {
        let bench = try await KeeperBench()
        let (callback, _) = try await begun(bench)
        bench.clock.advance(.seconds(601))
        await #expect(throws: KeeperError(.unknownCallback, "")) {
            try await bench.keeper.complete(callback, session: bench.session)
        }
    }

    @Test func `a callback from another issuer spends no code (RFC 9207)`() async throws {
        let issuer = "  issuer: https://provider.example\n"
        let bench = try await KeeperBench(
            KeeperBench.standardEntry.replacing("endpoints:\n", with: "endpoints:\n" + issuer))
        let (_, begun) = try await begun(bench)
        let state = begun.state.withExposed { String(decoding: $0, as: UTF8.self) }
        let calls = bench.server.requests(to: .token)
        let forged = try #require(
            ConsentCallback(query: "code=stolen&state=\(state)&iss=https%3A%2F%2Fevil.example"))
        await #expect(throws: KeeperError(.wrongIssuer, "")) {
            try await bench.keeper.complete(forged, session: bench.session)
        }
        #expect(bench.server.requests(to: .token) == calls)
    }

    @Test func `a user who says no is told so, and no code is asked for`() async throws {
        let bench = try await KeeperBench()
        bench.server.configure { $0.consent = .denied }
        let (callback, _) = try await begun(bench)
        await #expect(throws: KeeperError(.accessDenied, "")) {
            try await bench.keeper.complete(callback, session: bench.session)
        }
    }

    @Test(arguments: [
        "state=a&state=b&code=c", "code=%zz&state=s", "code=%ff&state=s", "state=%",
        String(repeating: "x=y&", count: 65), "code=" + String(repeating: "a", count: 17_000),
    ])
    func `a callback that is malformed is none`(_ query: String) {
        #expect(ConsentCallback(query: query) == nil)
    }

    @Test func `an unknown state, an empty one and a huge one cost nothing`() async throws {
        let bench = try await KeeperBench()
        for query in [
            "code=c", "code=c&state=", "code=c&state=never",
            "code=c&state=" + String(repeating: "a", count: 9000),
        ] {
            let callback = try #require(ConsentCallback(query: query))
            await #expect(throws: KeeperError(.unknownCallback, "")) {
                try await bench.keeper.complete(callback, session: bench.session)
            }
        }
        #expect(bench.server.tokenRequests == 0)
    }

    @Test func `what was begun survives a restart of the service`() async throws {
        let bench = try await KeeperBench()
        let (callback, _) = try await begun(bench)
        let other = try await bench.another()
        #expect(try await other.complete(callback, session: bench.session).state == .live)
        await other.vault.close()
    }
}

@Suite(.bounded) struct `A connection goes on under its name` {
    @Test func `consent again replaces the tokens, and a refresh without a new refresh token erases none`()
        async throws
    {
        let bench = try await KeeperBench()
        let first = try await bench.connect()
        let kept = try #require(try await bench.vault.heldConnection(first.id).pair?.refreshToken)
        bench.server.configure { $0.rotation = .never }
        let second = try await bench.connect()
        #expect(second.id == first.id)
        #expect(second.generation == 2)
        let now = try #require(try await bench.vault.heldConnection(first.id).pair?.refreshToken)
        #expect(now.withExposed { !$0.isEmpty })
        // A refresh that brings no new refresh token leaves the one that is there.
        bench.clock.advance(.seconds(3700))
        _ = try await bench.ready(first.id)
        let after = try #require(try await bench.vault.heldConnection(first.id).pair?.refreshToken)
        #expect(now.withExposed { $0 } == after.withExposed { $0 })
        #expect(kept.withExposed { $0 } != after.withExposed { $0 })
    }

    @Test func `labels keep two accounts of one user apart`() async throws {
        let bench = try await KeeperBench()
        let work = try await bench.connect(label: "work")
        let home = try await bench.connect(label: "home")
        #expect(work.id != home.id)
        #expect(
            try await bench.keeper.connection(at: "standard", of: bench.user.id, label: "home")?.id == home.id
        )
    }

    @Test func `an import is not refreshed before it is needed, and verified by its first refresh`()
        async throws
    {
        let bench = try await KeeperBench()
        let given = bench.server.grant(scope: ["read"])
        let imported = try await bench.keeper.import(
            ImportedTokens(
                accessToken: nil, refreshToken: given.refreshToken.map { SecretBytes(copying: $0) }),
            provider: "standard", user: bench.user.id)
        #expect(!imported.isVerified)
        #expect(imported.dueAt == nil)
        #expect(bench.server.tokenRequests == 0)
        let token = try await bench.ready(imported.id)
        #expect(bench.server.isLive(accessToken: token.text))
        #expect(try await bench.vault.connection(imported.id).isVerified)
    }

    @Test func `what a provider may grant may be imported, and nothing longer`() async throws {
        let bench = try await KeeperBench()
        func imported(_ accessBytes: Int, _ refreshBytes: Int) async throws -> Connection {
            func token(_ count: Int) -> SecretBytes? {
                count == 0 ? nil : SecretBytes(Array(repeating: UInt8(ascii: "a"), count: count))
            }
            return try await bench.keeper.import(
                ImportedTokens(accessToken: token(accessBytes), refreshToken: token(refreshBytes)),
                provider: "standard", user: bench.user.id, label: "\(accessBytes)-\(refreshBytes)")
        }
        let longest = NewTokens.tokenBytes
        for (access, refresh) in [(longest, 0), (0, longest), (longest, longest - 64)] {
            let pair = try #require(
                try await bench.vault.heldConnection(try await imported(access, refresh).id).pair)
            #expect(pair.accessToken.withExposed(\.count) == access)
        }
        for (access, refresh) in [(longest + 1, 0), (0, longest + 1), (longest, longest)] {
            let error = await #expect(throws: VaultError.self) { try await imported(access, refresh) }
            #expect(error?.code == .invalidInput)
        }
    }

    @Test func `an import whose refresh token dies of not being used is kept alive, and says when it ends`()
        async throws
    {
        let bench = try await KeeperBench(KeeperBench.standardEntry + "\nexpiry:\n  refresh_idle: 60d\n")
        func imported(_ label: String, accessToken: String?, endsIn span: Duration?) async throws
            -> Connection
        {
            let given = bench.server.grant(scope: ["read"])
            var tokens = ImportedTokens(
                accessToken: accessToken.map { SecretBytes(copying: $0) },
                refreshToken: given.refreshToken.map { SecretBytes(copying: $0) })
            if accessToken != nil { tokens.accessExpiresAt = bench.clock.now().advanced(by: .seconds(3600)) }
            tokens.refreshExpiresAt = span.map { bench.clock.now().advanced(by: $0) }
            return try await bench.keeper.import(
                tokens, provider: "standard", user: bench.user.id, label: label)
        }
        let now = bench.clock.now()
        for (connection, days) in [
            (try await imported("a", accessToken: nil, endsIn: nil), 60),
            (try await imported("b", accessToken: "at", endsIn: nil), 60),
            (try await imported("c", accessToken: nil, endsIn: .seconds(10 * 86400)), 10),
        ] as [(Connection, Int64)] {
            let end = now.advanced(by: .seconds(days * 86400))
            #expect(connection.refreshExpiresAt == end)
            let due = try #require(connection.dueAt)
            #expect(due < end && due >= end.advanced(by: .seconds(-2 * 86400)))
        }
        // One without a refresh token has nothing to keep alive.
        let bare = try await bench.keeper.import(
            ImportedTokens(accessToken: SecretBytes(copying: "at"), refreshToken: nil), provider: "standard",
            user: bench.user.id, label: "d")
        #expect(bare.dueAt == nil && bare.refreshExpiresAt == nil)
    }

    @Test func `tokens of our own come by client credentials, by the same call`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.keeper.clientConnection(at: "standard")
        let first = try await bench.ready(connection.id)
        bench.clock.advance(.seconds(3700))
        let second = try await bench.ready(connection.id)
        #expect(first.text != second.text)
        #expect(bench.server.isLive(accessToken: second.text))
    }

    @Test func `after a 401 the token is replaced once, and only if it is still the current one`()
        async throws
    {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        let refused = try await bench.ready(connection.id)
        // An API that refuses a token of a few seconds refuses the next one too.
        bench.clock.advance(.seconds(60))
        let calls = bench.server.tokenRequests
        for _ in 0..<3 {
            let answer = try await bench.keeper.replacement(
                forRefused: refused.generation, of: connection.id)
            guard case .ready(let token) = answer else {
                Issue.record("\(answer)")
                return
            }
            #expect(token.generation == refused.generation + 1)
        }
        #expect(bench.server.tokenRequests == calls + 1)
    }

    @Test func `a wall clock that jumps moves no lease and loses no token`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        for jump in [Duration.seconds(-86400 * 400), .seconds(86400 * 800), .seconds(-86400 * 400)] {
            bench.clock.step(jump)
            bench.clock.advance(.seconds(1))
            let token = try await bench.ready(connection.id)
            #expect(token.text.isEmpty == false)
        }
        #expect(bench.server.reuseAlarms == 0)
        #expect(try await bench.verify().isIntact)
    }

    @Test func `removing a user ends the connections, and a service revokes them at the provider`()
        async throws
    {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        try await bench.whole { try await $0.users.remove("alice") }
        #expect(try await bench.vault.connection(connection.id).state == .revoking)
        await bench.keeper.attend(to: connection.id, try await bench.keeper.knownProvider(of: connection))
        #expect(bench.server.families.map(\.isRevoked) == [true])
        #expect(try await bench.vault.connection(connection.id).state == .revoked)
        #expect(try await bench.verify().isIntact)
    }
}
