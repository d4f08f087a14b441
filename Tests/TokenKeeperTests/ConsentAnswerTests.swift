import Synchronization
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// A scripted provider whose answers a test changes, or holds back.
struct EditedTransport: ProviderTransport {
    let base: ScriptedTransport
    let edit: @Sendable (ProviderRequest, ProviderReply) async throws(TransportFailure) -> ProviderReply

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        try await edit(request, try await base.send(request))
    }
}

extension KeeperBench {
    /// A keeper of the same vault over a provider whose answers are changed.
    func keeper(
        _ edit:
            @escaping @Sendable (ProviderRequest, ProviderReply) async throws(TransportFailure) ->
            ProviderReply
    ) -> TokenKeeper {
        var configuration = KeeperConfiguration()
        configuration.pause = { [clock] in clock.advance($0) }
        return TokenKeeper(
            vault: vault, transport: EditedTransport(base: ScriptedTransport(server), edit: edit),
            configuration: configuration)
    }

    func begin(_ keeper: TokenKeeper, scope: String? = nil) async throws -> BegunConsent {
        var request = ConsentRequest(
            provider: "standard", user: user.id, redirectURI: Self.redirectURI, session: session)
        request.scope = scope
        return try await keeper.begin(request)
    }

    /// A consent of a user who says yes.
    func connect(_ keeper: TokenKeeper, scope: String? = nil) async throws -> Connection {
        let begun = try await begin(keeper, scope: scope)
        return try await keeper.complete(try Self.consent(at: begun.url, server), session: session)
    }
}

extension ProviderReply {
    /// Its JSON with more members: `,"id_token":"…"`.
    func adding(_ members: String) -> ProviderReply {
        var reply = self
        let text = body.withExposed { String(decoding: $0, as: UTF8.self) }
        if text.hasSuffix("}") { reply.body = SecretBytes(copying: text.dropLast() + members + "}") }
        return reply
    }
}

@Suite(.bounded) struct `OpenID Connect Core section 3.1.3.7, rule 11, an ID token of another consent` {
    private static func idToken(_ claims: String) -> String {
        let parts = [#"{"alg":"RS256"}"#, claims, "signature"].map {
            Base64URL.encodeToString(Array($0.utf8))
        }
        return #","id_token":"\#(parts.joined(separator: "."))""#
    }

    private static let plain = KeeperBench.standardEntry + "\nrequests:\n  pkce: false\n"
    private static let without = plain + "  authorize: {nonce: \"\"}\n"

    private func outcome(_ yaml: String, idToken members: String) async throws -> (KeeperBench, KeeperError?)
    {
        let bench = try await KeeperBench(yaml)
        let keeper = bench.keeper { request, reply in
            request.purpose == .codeExchange ? reply.adding(members) : reply
        }
        do {
            _ = try await bench.connect(keeper, scope: "openid read")
            return (bench, nil)
        } catch let error as KeeperError { return (bench, error) }
    }

    @Test(arguments: [
        #"{"sub":"1"}"#, #"{"sub":"1","nonce":null}"#, #"{"sub":"1","nonce":""}"#, "no JSON",
        "{\"sub\":\"1\",\"name\":\"Jos\u{FFFD}\"}",
    ])
    func `without a nonce it shows nothing where PKCE binds the code`(_ claims: String) async throws {
        let (bench, error) = try await outcome(KeeperBench.standardEntry, idToken: Self.idToken(claims))
        #expect(error == nil)
        #expect(bench.server.families.map(\.isRevoked) == [false])
    }

    @Test func `one that cannot be read costs nothing`() async throws {
        for member in [#","id_token":17"#, #","id_token":{"a":1}"#, #","id_token":"a b\u0007""#] {
            let (_, error) = try await outcome(KeeperBench.standardEntry, idToken: member)
            #expect(error == nil)
        }
    }

    @Test func `without a nonce it counts where nothing else binds the code (RFC 9700 section 2.1.1)`()
        async throws
    {
        let (bench, error) = try await outcome(Self.plain, idToken: Self.idToken(#"{"sub":"1"}"#))
        #expect(error == KeeperError(.wrongIDToken, ""))
        #expect(bench.server.families.map(\.isRevoked) == [true])
    }

    @Test func `a nonce that the entry leaves out is neither sent nor looked for`() async throws {
        for claims in [#"{"sub":"1"}"#, #"{"sub":"1","nonce":"of the provider's own"}"#] {
            let (bench, error) = try await outcome(Self.without, idToken: Self.idToken(claims))
            #expect(error == nil)
            let begun = try await bench.begin(bench.keeper, scope: "openid")
            #expect(!begun.url.contains("nonce"))
        }
    }

    @Test(arguments: [
        #"{"nonce":"of another"}"#, #"{"nonce":17}"#, #"{"nonce":["a"]}"#, #"{"nonce":"a","nonce":"b"}"#,
    ])
    func `its tokens are revoked at the provider, and the connection that is there stays`(
        _ claims: String
    ) async throws {
        let bench = try await KeeperBench()
        let before = try await bench.connect()
        let keeper = bench.keeper { request, reply in
            request.purpose == .codeExchange ? reply.adding(Self.idToken(claims)) : reply
        }
        let error = await #expect(throws: KeeperError.self) {
            try await bench.connect(keeper, scope: "openid read")
        }
        #expect(error == KeeperError(.wrongIDToken, ""))
        #expect(error?.diagnostic.contains("revoked at the provider") == true)
        #expect(bench.server.families.map(\.isRevoked) == [false, true])
        #expect(try await bench.vault.connections().map(\.id) == [before.id])
        #expect(try await bench.vault.connection(before.id).generation == before.generation)
        #expect(bench.server.isLive(accessToken: try await bench.ready(before.id).text))
        #expect(try await bench.verify().isIntact)
    }

    @Test func `where the provider does not answer now, its tokens are kept and revoked later`() async throws
    {
        let bench = try await KeeperBench()
        let cursor = try await bench.keeper.eventCursor()
        let keeper = bench.keeper { (request, reply) throws(TransportFailure) in
            if request.purpose == .revocation { throw .ambiguous(.reset) }
            return request.purpose == .codeExchange
                ? reply.adding(Self.idToken(#"{"nonce":"of another"}"#)) : reply
        }
        let error = await #expect(throws: KeeperError.self) {
            try await bench.connect(keeper, scope: "openid read")
        }
        #expect(error?.diagnostic.contains("as soon as the provider answers") == true)
        let kept = try #require(try await bench.vault.connections().first)
        #expect(kept.state == .revoking)
        #expect(kept.dueAt != nil)
        guard case .needsConsent = try await bench.keeper.accessToken(for: kept.id) else {
            Issue.record("a token was handed out")
            return
        }
        let kinds = try await bench.keeper.eventPage(from: cursor + 1).events.map(\.kind)
        #expect(kinds.first == .revoking && !kinds.contains(.connected))
        await bench.keeper.attend(to: kept.id, try await bench.keeper.knownProvider(of: kept))
        #expect(try await bench.vault.connection(kept.id).state == .revoked)
    }
}

@Suite(.bounded) struct `P8 at consent: what a provider granted is stored whatever becomes of the caller` {
    @Test func `an exchange under way ends although its caller gave up, and is waited for`() async throws {
        let bench = try await KeeperBench()
        let (arrived, arrivals) = AsyncStream.makeStream(of: Void.self)
        let (released, releases) = AsyncStream.makeStream(of: Void.self)
        let keeper = bench.keeper { request, reply in
            if request.purpose == .codeExchange {
                arrivals.yield()
                for await _ in released { break }
            }
            return reply
        }
        let begun = try await bench.begin(keeper)
        let callback = try KeeperBench.consent(at: begun.url, bench.server)
        let caller = Task { try await keeper.complete(callback, session: bench.session) }
        for await _ in arrived { break }
        caller.cancel()
        #expect(try await bench.vault.connections().isEmpty)
        let end = Task { await keeper.finish() }
        releases.yield()
        await end.value
        #expect(try await bench.vault.connections().map(\.state) == [.live])
    }
}

@Suite(.bounded)
struct `A new consent joins nothing of the one before: the user may have chosen another account` {
    private static let entry =
        KeeperBench.standardEntry.replacing("replay: rejected", with: "replay: tolerated")
        + "\nreplies:\n  kept: [team]\nexpiry:\n  refresh_idle: 30d\n  refresh_absolute: 90d\n"

    @Test func `a reply without refresh token leaves none, and none of the first account's is used`()
        async throws
    {
        let bench = try await KeeperBench(Self.entry)
        bench.server.configure { $0.keptValues = ["team": "first"] }
        let first = try await bench.connect()
        #expect(first.metadata == ["team": "first"])
        let keeper = bench.keeper { request, _ in
            #expect(request.purpose == .codeExchange, "the old refresh token is not sent")
            return ProviderReply(
                status: 200,
                body: SecretBytes(copying: #"{"access_token":"at-of-second","expires_in":3600}"#))
        }
        let second = try await bench.connect(keeper)
        #expect(second.id == first.id)
        #expect(try await bench.ready(second.id, keeper).text == "at-of-second")
        #expect(try await bench.vault.heldConnection(second.id).pair?.refreshToken == nil)
        #expect(second.metadata == [:])
        #expect(second.refreshExpiresAt == nil)
        bench.clock.advance(.seconds(3700))
        guard case .needsConsent(let need) = try await keeper.accessToken(for: second.id) else {
            Issue.record("it went on as the first account")
            return
        }
        #expect(need.reason == .nothingToRefresh)
    }

    @Test
    func `an answer that is kept unread outlives a refresh of the tokens before, and joins none of them`()
        async throws
    {
        let bench = try await KeeperBench(Self.entry)
        let first = try await bench.connect()
        let odd = #"{"data":{"access_token":"at-of-second","expires_in":3600}}"#
        let keeper = bench.keeper { request, reply in
            request.purpose == .codeExchange
                ? ProviderReply(status: 200, body: SecretBytes(copying: odd)) : reply
        }
        await #expect(throws: KeeperError(.unreadableReply, "")) { try await bench.connect(keeper) }
        bench.clock.advance(.seconds(3700))
        #expect(bench.server.isLive(accessToken: try await bench.ready(first.id).text))
        #expect(try await bench.vault.connection(first.id).hasUnreadReply)
        let credentials = KeeperBench.options
        let read = Self.entry.replacing(
            "replies:\n", with: "replies:\n  access_token: [access_token, data.access_token]\n")
        try await bench.keeper.replaceProvider(
            NewProvider(
                "standard", yaml: read, clientID: credentials.clientID,
                clientSecret: SecretBytes(copying: credentials.clientSecret)))
        let healed = try #require(try await bench.keeper.replayReply(of: first.id))
        #expect(!healed.hasUnreadReply)
        let pair = try #require(try await bench.vault.heldConnection(first.id).pair)
        #expect(pair.accessToken.shown == "at-of-second")
        #expect(pair.refreshToken == nil)
    }
}
