import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// No entry of the log names the vault row, so an older one that is put back is authentic.
@Suite(.bounded) struct `P7: an older vault row brings back no client, no user and no key` {
    /// A process that keeps a client and a user in memory, and copies of the vault row from before and after a change.
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        private var side: String { test.directory + "/side" }

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            _ = try await Party(test.vault, "other", user: "bob")
            tokens = try await party.begin()
            try keep("before")
            _ = try await test.vault.setClient("other", enabled: false)
            #expect(try test.vault.validate(tokens.pair.accessToken) != nil)
            try keep("after")
        }

        private func keep(_ name: String) throws {
            try attack("CREATE TABLE side.\(name) AS SELECT * FROM main.vault")
        }

        func putBack(_ name: String) throws {
            try attack("REPLACE INTO main.vault SELECT * FROM side.\(name)")
        }

        func attack(_ sql: String) throws { _ = try sqlite(test.path, "ATTACH '\(side)' AS side; \(sql)") }

        var revision: String {
            get throws { try sqlite(test.path, "SELECT registry_revision FROM vault") }
        }

        /// As a command in another process does it.
        func elsewhere(_ body: (Vault) async throws -> Void) async throws {
            let other = try await test.reopen()
            try await body(other)
            await other.close()
        }

        func expectRefusal() async throws {
            #expect(try test.vault.validate(tokens.pair.accessToken) == nil)
            #expect(try await party.refresh(tokens.refreshToken).issued == nil)
        }
    }

    enum Change: CaseIterable, Sendable {
        case clientDisabled, clientRemoved, userDisabled, userRemoved

        func make(in vault: Vault) async throws {
            switch self {
            case .clientDisabled: _ = try await vault.setClient("app", enabled: false)
            case .clientRemoved: try await vault.removeClient("app")
            case .userDisabled: _ = try await vault.setUser("alice", enabled: false)
            case .userRemoved: try await vault.removeUser("alice")
            }
        }
    }

    @Test(arguments: Change.allCases)
    func `put back before another process changes something: the number is one that was there`(
        _ change: Change
    ) async throws {
        let scene = try await Scene()
        let known = try scene.revision
        try scene.putBack("before")
        try await scene.elsewhere { try await change.make(in: $0) }
        #expect(try scene.revision == known)
        try await scene.expectRefusal()
    }

    @Test(arguments: Change.allCases)
    func `put back after another process changed something that this one did not see yet`(
        _ change: Change
    ) async throws {
        let scene = try await Scene()
        try await scene.elsewhere { try await change.make(in: $0) }
        try scene.putBack("after")
        try await scene.expectRefusal()
    }

    @Test func `a secret that was replaced elsewhere is not taken any more`() async throws {
        let scene = try await Scene()
        let vault = scene.test.vault
        let before = try #require(try vault.client(identifiedBy: scene.party.client.clientID))
        try scene.putBack("before")
        try await scene.elsewhere {
            _ = try await $0.rotateSecret(ofClient: before.clientID, overlap: .zero)
        }
        let known = vault.recentClient(identifiedBy: before.clientID)
        let now = try #require(try vault.client(identifiedBy: before.clientID))
        #expect(now.secrets.map(\.generation) != before.secrets.map(\.generation))
        // What authenticated against memory is refused where it counts.
        var request = ExchangeRequest(
            kind: .refreshToken, credential: try scene.tokens.refreshToken, client: before, channel: .library)
        request.registryRevision = try #require(known?.revision)
        await #expect(throws: VaultError(.registryChanged, "")) { try await vault.exchange(request) }
    }

    @Test func `an older one than the process saw is damage until it is gone`() async throws {
        let scene = try await Scene()
        let vault = scene.test.vault
        try scene.putBack("before")
        #expect(throws: VaultError(.integrity, "")) { try vault.validate(scene.tokens.pair.accessToken) }
        #expect(throws: VaultError(.integrity, "")) { try vault.clients() }
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.party.refresh(scene.tokens.refreshToken)
        }
        await #expect(throws: VaultError(.integrity, "")) { try await vault.proveWritePath() }
        try scene.putBack("after")
        #expect(try await scene.party.refresh(scene.tokens.refreshToken).issued != nil)
    }

    @Test(arguments: ["next_owner_id", "next_grant_id", "next_secret_id", "next_key_id"])
    func `no counter goes back`(_ counter: String) async throws {
        let scene = try await Scene()
        let vault = scene.test.vault
        switch counter {
        case "next_owner_id": _ = try await vault.addUser("carol")
        case "next_grant_id": _ = try await scene.party.authorize()
        case "next_secret_id":
            _ = try await vault.rotateSecret(ofClient: scene.party.client.clientID, overlap: .zero)
        default: _ = try await vault.rotateSystemKey(.log)
        }
        try scene.putBack("after")
        await #expect(throws: VaultError(.integrity, "")) { try await vault.proveWritePath() }
    }

    @Test func `two current keys of one purpose are damage`() async throws {
        let scene = try await Scene()
        try scene.attack("CREATE TABLE side.keys AS SELECT * FROM main.system_keys")
        _ = try await scene.test.vault.rotateSystemKey(.log)
        try scene.attack("REPLACE INTO main.system_keys SELECT * FROM side.keys WHERE purpose = 5")
        #expect(
            try sqlite(scene.test.path, "SELECT count(*) FROM system_keys WHERE purpose = 5 AND state = 1")
                == "2")
        await scene.test.vault.close()
        let refusal = await #expect(throws: VaultError(.integrity, "")) { try await scene.test.reopen() }
        #expect(refusal?.message.contains("Two system keys") == true)
    }
}
