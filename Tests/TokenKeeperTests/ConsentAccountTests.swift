import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `A connection stays with one account of the provider unless another may replace it` {
    private static func idToken(_ subject: String) -> String {
        let parts = [#"{"alg":"RS256"}"#, #"{"sub":"\#(subject)"}"#, "signature"].map {
            Base64URL.encodeToString(Array($0.utf8))
        }
        return #","id_token":"\#(parts.joined(separator: "."))""#
    }

    /// A keeper whose provider names an account in every answer with tokens.
    private func keeper(_ bench: KeeperBench, naming members: String) -> TokenKeeper {
        bench.keeper { request, reply in
            [.codeExchange, .refresh].contains(request.purpose) ? reply.adding(members) : reply
        }
    }

    private func connect(
        _ bench: KeeperBench, _ members: String, label: String = "", replacesAccount: Bool = false
    ) async throws -> Connection {
        let keeper = keeper(bench, naming: members)
        var request = ConsentRequest(
            provider: "standard", user: bench.user.id, redirectURI: KeeperBench.redirectURI,
            session: bench.session)
        request.label = label
        request.replacesAccount = replacesAccount
        let begun = try await keeper.begin(request)
        return try await keeper.complete(
            try KeeperBench.consent(at: begun.url, bench.server), session: bench.session)
    }

    @Test func `another account is refused, its tokens revoked, and the connection as it was`() async throws {
        let bench = try await KeeperBench()
        let first = try await connect(bench, Self.idToken("first"))
        let error = await #expect(throws: KeeperError.self) {
            try await connect(bench, Self.idToken("second"))
        }
        #expect(error == KeeperError(.otherAccount, ""))
        #expect(error?.diagnostic.contains("revoked at the provider") == true)
        #expect(error?.diagnostic.contains("second") == false)
        #expect(bench.server.families.map(\.isRevoked) == [false, true])
        #expect(try await bench.vault.connections().map(\.id) == [first.id])
        #expect(try await bench.vault.connection(first.id).generation == first.generation)
        #expect(bench.server.isLive(accessToken: try await bench.ready(first.id).text))
        #expect(try await bench.verify().isIntact)
    }

    @Test func `one that may replace it does, and is the account from then on`() async throws {
        let bench = try await KeeperBench()
        let first = try await connect(bench, Self.idToken("first"))
        let second = try await connect(bench, Self.idToken("second"), replacesAccount: true)
        #expect(second.id == first.id)
        #expect(second.generation == first.generation + 1)
        await #expect(throws: KeeperError(.otherAccount, "")) {
            try await connect(bench, Self.idToken("first"))
        }
        #expect(try await connect(bench, Self.idToken("second")).state == .live)
    }

    @Test func `it is told by the entry's own member where there is one`() async throws {
        let bench = try await KeeperBench(
            KeeperBench.standardEntry + "\nreplies:\n  account: [user.id]\n")
        func members(_ id: Int) -> String { #","user":{"id":\#(id)}"# + Self.idToken("\(id % 2)") }
        _ = try await connect(bench, members(1))
        _ = try await connect(bench, members(1))
        await #expect(throws: KeeperError(.otherAccount, "")) { try await connect(bench, members(3)) }
    }

    @Test func `an account that is not told, or of a revoked connection, is in no one's way`() async throws {
        let bench = try await KeeperBench()
        let connection = try await connect(bench, Self.idToken("first"))
        _ = try await connect(bench, "")
        _ = try await connect(bench, Self.idToken("second"))
        _ = try await bench.keeper.revoke(connection.id)
        #expect(try await connect(bench, Self.idToken("third")).state == .live)
    }

    @Test func `an import learns its account by its first refresh`() async throws {
        let bench = try await KeeperBench()
        let given = bench.server.grant(scope: ["read"])
        let imported = try await bench.keeper.import(
            ImportedTokens(
                accessToken: nil, refreshToken: given.refreshToken.map { SecretBytes(copying: $0) }),
            provider: "standard", user: bench.user.id)
        _ = try await bench.ready(imported.id, keeper(bench, naming: Self.idToken("first")))
        #expect(try await bench.vault.heldConnection(imported.id).account == "first")
        await #expect(throws: KeeperError(.otherAccount, "")) {
            try await connect(bench, Self.idToken("second"))
        }
    }

    @Test func `tokens of an account that is connected elsewhere are not revoked: it may be one grant`()
        async throws
    {
        let bench = try await KeeperBench()
        _ = try await connect(bench, Self.idToken("first"))
        _ = try await connect(bench, Self.idToken("second"), label: "other")
        await #expect(throws: KeeperError(.otherAccount, "")) {
            try await connect(bench, Self.idToken("second"))
        }
        #expect(bench.server.families.map(\.isRevoked) == [false, false, false])
    }

    @Test func `a device that another account answers is refused, and the connection as it was`() async throws
    {
        let bench = try await KeeperBench(
            KeeperBench.standardEntry.replacing(
                "revocation:", with: "device_authorization: https://provider.example/device\n  revocation:"))
        let first = try await connect(bench, Self.idToken("first"))
        let keeper = bench.keeper { request, reply in
            request.purpose == .deviceToken && reply.status == 200
                ? reply.adding(Self.idToken("second")) : reply
        }
        func answer(replacesAccount: Bool) async throws -> Connection? {
            var request = DeviceRequest(provider: "standard", user: bench.user.id)
            request.replacesAccount = replacesAccount
            var device = try await keeper.beginDevice(request)
            #expect(bench.server.approveDevice(userCode: device.userCode))
            bench.clock.advance(device.interval)
            return try await keeper.pollDevice(&device)
        }
        await #expect(throws: KeeperError(.otherAccount, "")) { try await answer(replacesAccount: false) }
        #expect(bench.server.families.map(\.isRevoked) == [false, true])
        #expect(try await bench.vault.connections().map(\.id) == [first.id])
        #expect(try await bench.vault.connection(first.id).generation == first.generation)
        #expect(bench.server.isLive(accessToken: try await bench.ready(first.id).text))
        let second = try await answer(replacesAccount: true)
        #expect(second?.id == first.id)
        #expect(try await bench.vault.heldConnection(first.id).account == "second")
    }

    @Test(arguments: [(1, true), (2, false)])
    func `a kept answer to a consent is read where it is of the same account`(_ id: Int, _ isRead: Bool)
        async throws
    {
        let entry = KeeperBench.standardEntry + "\nreplies:\n  account: user.id\n"
        let bench = try await KeeperBench(entry)
        let first = try await connect(bench, #","user":{"id":1}"#)
        let odd = #"{"data":{"access_token":"at-of-second","expires_in":3600},"user":{"id":\#(id)}}"#
        let keeper = bench.keeper { request, reply in
            request.purpose == .codeExchange
                ? ProviderReply(status: 200, body: SecretBytes(copying: odd)) : reply
        }
        await #expect(throws: KeeperError(.unreadableReply, "")) { try await bench.connect(keeper) }
        let credentials = KeeperBench.options
        try await bench.keeper.replaceProvider(
            NewProvider(
                "standard", yaml: entry + "  access_token: [access_token, data.access_token]\n",
                clientID: credentials.clientID, clientSecret: SecretBytes(copying: credentials.clientSecret)))
        let read = try await bench.keeper.replayReply(of: first.id)
        #expect((read != nil) == isRead)
        let held = try await bench.vault.heldConnection(first.id)
        #expect(held.account == "1")
        #expect((held.pair?.accessToken.shown == "at-of-second") == isRead)
        #expect(held.connection.hasUnreadReply != isRead)
        if !isRead { #expect(bench.server.isLive(accessToken: try await bench.ready(first.id).text)) }
    }
}
