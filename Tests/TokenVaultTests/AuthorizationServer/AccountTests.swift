import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCustody

/// What a host shows users of their own: identifiers come from forms and addresses, and may be anybody's.
@Suite(.bounded) struct `An account reaches what is the user's own, and nothing else` {
    private struct Scene {
        let test: TestVault
        let alice: Party
        let bob: Party

        init() async throws {
            test = try await TestVault()
            alice = try await Party(test.vault)
            bob = try await Party(test.vault, "other", user: "bob")
            for party in [alice, bob] {
                try await test.vault.consents.remember(
                    ofUser: party.user.id, toClient: party.client.id,
                    scope: try #require(ScopeSet(parsing: "basic")))
            }
        }

        var account: VaultAccount { test.vault.account(of: alice.user.id, requestID: "r1") }

        /// Runs `body` and returns what it wrote into the log.
        func entries(_ body: () async throws -> Void) async throws -> [AuditEntry] {
            let before = try await test.vault.auditSize()
            try await body()
            return try await test.vault.log.entries(from: before, limit: 100)
        }

        /// The user's name in the log.
        func pseudonym(_ index: Int) async throws -> String? {
            try await test.vault.log.entries(limit: 100).filter { $0.operation == "user.add" }[index].subject
        }
    }

    @Test func `lists hold the user's own alone`() async throws {
        let scene = try await Scene()
        let own = [try await scene.alice.begin().grant, try await scene.alice.begin().grant]
        let foreign = try await scene.bob.begin()
        #expect(try await scene.account.grants().map(\.id) == own)
        let grants = scene.test.vault.grants
        #expect(try await grants.list(ofUser: scene.bob.user.id).map(\.id) == [foreign.grant])
        #expect(try await grants.list(toClient: scene.alice.client.id).map(\.id) == own)
        #expect(try await grants.list(toClient: scene.bob.client.id, after: foreign.grant).isEmpty)
        #expect(try await grants.list(after: own[0]).map(\.id) == [own[1], foreign.grant])
        #expect(try await scene.account.grants(after: own[0], limit: 1).map(\.id) == [own[1]])
        #expect(try await scene.account.consents().map(\.client) == [scene.alice.client.id])
        #expect(try await scene.account.consents().allSatisfy { $0.user == scene.alice.user.id })
    }

    @Test func `a grant of the user's own ends, and the log says that the user did it`() async throws {
        let scene = try await Scene()
        let tokens = try await scene.alice.begin()
        let entries = try await scene.entries { try await scene.account.revokeGrant(tokens.grant) }
        #expect(try await scene.test.vault.validate(tokens.pair.accessToken) == nil)
        #expect(try await scene.alice.refresh(tokens.refreshToken).refusal == .grantRevoked)
        let entry = try #require(entries.first { $0.operation == "grant.revoke" })
        #expect(entry.reason == "user" && entry.channel == "http" && entry.requestID == "r1")
        #expect(entry.grant == tokens.grant.rawValue)
        #expect(try await entry.actor == scene.pseudonym(0))
        // A button that is pressed again and again writes nothing.
        let again = try await scene.entries {
            for _ in 0..<20 { try await scene.account.revokeGrant(tokens.grant) }
        }
        #expect(again.isEmpty)
        #expect(try await scene.test.vault.log.verify().isIntact)
    }

    @Test func `another user's grant is not found, as one that never was`() async throws {
        let scene = try await Scene()
        let foreign = try await scene.bob.begin()
        let own = try await scene.test.vault.issueClientCredentials(
            to: scene.alice.client, scope: scene.alice.client.registration.scope, channel: .library,
            requestID: nil)
        var messages: Set<String> = []
        let entries = try await scene.entries {
            for id in [foreign.grant, own.grant, GrantID(0), GrantID(-1), GrantID(4711), GrantID(.max)] {
                do {
                    try await scene.account.revokeGrant(id)
                    Issue.record("\(id) was revoked")
                } catch let error as VaultError where error.code == .notFound {
                    messages.insert(error.message)
                }
            }
        }
        #expect(messages.count == 1, "\(messages)")
        #expect(entries.isEmpty)
        #expect(try await scene.test.vault.validate(foreign.pair.accessToken) != nil)
        #expect(try await scene.test.vault.validate(own.pair.accessToken) != nil)
    }

    @Test func `a client is no user, even for its own grants`() async throws {
        let scene = try await Scene()
        let own = try await scene.test.vault.issueClientCredentials(
            to: scene.alice.client, scope: scene.alice.client.registration.scope, channel: .library,
            requestID: nil)
        let account = scene.test.vault.account(of: scene.alice.client.id)
        await #expect(throws: VaultError(.notFound, "")) { try await account.revokeGrant(own.grant) }
        await #expect(throws: VaultError(.notFound, "")) {
            try await account.withdrawConsent(from: scene.alice.client.id)
        }
        #expect(try await scene.test.vault.validate(own.pair.accessToken) != nil)
    }

    @Test func `a consent is withdrawn with 60 grants, each entry by the user, and once`() async throws {
        let scene = try await Scene()
        var tokens: [IssuedTokens] = []
        for _ in 0..<60 { tokens.append(try await scene.alice.begin()) }
        let foreign = try await scene.bob.begin()
        let client = scene.alice.client.id
        let entries = try await scene.entries { try await scene.account.withdrawConsent(from: client) }
            .filter { $0.operation == "consent.withdraw" }
        for issued in tokens {
            #expect(try await scene.test.vault.validate(issued.pair.accessToken) == nil)
        }
        #expect(try await scene.account.consents().isEmpty)
        #expect(try await scene.test.vault.validate(foreign.pair.accessToken) != nil)
        #expect(!entries.isEmpty)
        let user = try await scene.pseudonym(0)
        #expect(entries.allSatisfy { $0.actor == user && $0.channel == "http" && $0.requestID == "r1" })
        let again = try await scene.entries {
            await #expect(throws: VaultError(.notFound, "")) {
                try await scene.account.withdrawConsent(from: client)
            }
        }
        #expect(again.isEmpty)
        #expect(try await scene.test.vault.log.verify().isIntact)
    }

    @Test func `what another user allowed stays: the client of a form leads to the user's own consent`()
        async throws
    {
        let scene = try await Scene()
        let foreign = try await scene.bob.begin()
        for client in [scene.bob.client.id, scene.bob.user.id, OwnerID(4711), .system] {
            await #expect(throws: VaultError(.notFound, "")) {
                try await scene.account.withdrawConsent(from: client)
            }
        }
        #expect(try await scene.test.vault.validate(foreign.pair.accessToken) != nil)
        #expect(try await scene.test.vault.consents.list(ofUser: scene.bob.user.id).count == 1)
    }

    @Test func `grants without a remembered consent are withdrawn too`() async throws {
        let scene = try await Scene()
        let silent = try await Party(scene.test.vault, "third", user: "carol")
        let tokens = try await silent.begin()
        try await scene.test.vault.account(of: silent.user.id).withdrawConsent(from: silent.client.id)
        #expect(try await scene.test.vault.validate(tokens.pair.accessToken) == nil)
    }

    @Test func `a session that outlives its user ends nothing`() async throws {
        let scene = try await Scene()
        let tokens = try await scene.alice.begin()
        try await scene.test.vault.users.remove("alice")
        _ = try await scene.test.vault.users.erase("alice")
        let entries = try await scene.entries {
            await #expect(throws: VaultError(.notFound, "")) {
                try await scene.account.revokeGrant(tokens.grant)
            }
            await #expect(throws: VaultError(.notFound, "")) {
                try await scene.account.withdrawConsent(from: scene.alice.client.id)
            }
        }
        #expect(entries.isEmpty)
    }
}
