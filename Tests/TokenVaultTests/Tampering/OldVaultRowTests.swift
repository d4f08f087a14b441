import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

/// The vault row carries a stamp that the last entry of the log names: an older row is authentic, and named no more.
@Suite(.bounded) struct `P7: an older vault row brings back no client, no user and no key` {
    /// A process that keeps a client and a user in memory, and copies of the vault row from before and after a change.
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            _ = try await Party(test.vault, "other", user: "bob")
            tokens = try await party.begin()
            try test.keep("before")
            try await test.vault.clients.disable("other")
            #expect(try await test.vault.validate(tokens.pair.accessToken) != nil)
            try test.keep("after")
        }

        func putBack(_ name: String) throws { try test.putBack("vault", of: name) }

        /// As a command in another process does it.
        func elsewhere(_ body: (Vault) async throws -> Void) async throws {
            let other = try await test.reopen()
            do { try await body(other) } catch {
                await other.close()
                throw error
            }
            await other.close()
        }

        /// Nothing is read, nothing is written, and no client is told that its token is bad.
        func expectDamage(in vault: Vault) async throws {
            await #expect(throws: VaultError(.integrity, "")) {
                try await vault.validate(tokens.pair.accessToken)
            }
            await #expect(throws: VaultError(.integrity, "")) { try await vault.clients.list() }
            await #expect(throws: VaultError(.integrity, "")) {
                try await party.refresh(tokens.refreshToken, in: vault)
            }
            await #expect(throws: VaultError(.integrity, "")) { try await vault.proveWritePath() }
            #expect(Set(try await vault.log.verify().places) == ["vault"])
            #expect(await vault.examine().contains { $0.id == "vault.newest" && $0.code == .integrity })
        }
    }

    enum Change: CaseIterable, Sendable {
        case clientDisabled, clientRemoved, userDisabled, userRemoved

        func make(in vault: Vault) async throws {
            switch self {
            case .clientDisabled: _ = try await vault.clients.disable("app")
            case .clientRemoved: try await vault.clients.remove("app")
            case .userDisabled: _ = try await vault.users.disable("alice")
            case .userRemoved: try await vault.users.remove("alice")
            }
        }
    }

    @Test(.withSQL, arguments: Change.allCases)
    func `put back before another process changes something: nothing is built on it`(
        _ change: Change
    ) async throws {
        let scene = try await Scene()
        try scene.putBack("before")
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.elsewhere { try await change.make(in: $0) }
        }
        try await scene.expectDamage(in: scene.test.vault)
        try await scene.elsewhere {
            #expect($0.isDamaged)
            try await scene.expectDamage(in: $0)
        }
        try scene.putBack("after")
        try await scene.elsewhere { try await change.make(in: $0) }
        #expect(try await scene.test.vault.validate(scene.tokens.pair.accessToken) == nil)
        #expect(try await scene.party.refresh(scene.tokens.refreshToken).issued == nil)
    }

    @Test(.withSQL, arguments: Change.allCases)
    func `put back after another process changed something that this one did not see yet`(
        _ change: Change
    ) async throws {
        let scene = try await Scene()
        try await scene.elsewhere { try await change.make(in: $0) }
        try scene.putBack("after")
        await #expect(throws: VaultError(.integrity, "")) { try await scene.test.vault.proveWritePath() }
        try await scene.elsewhere { try await scene.expectDamage(in: $0) }
    }

    @Test(.withSQL) func `a secret that was replaced elsewhere is not taken any more`() async throws {
        let scene = try await Scene()
        let vault = scene.test.vault
        let before = try #require(try await vault.clients.first(identifiedBy: scene.party.client.clientID))
        try await scene.elsewhere {
            _ = try await $0.clients.rotateSecret(of: before.clientID, overlap: .zero)
        }
        let known = try #require(vault.recentClient(identifiedBy: before.clientID))
        #expect(known.secrets.map(\.generation) == before.secrets.map(\.generation))
        let refreshToken = try scene.tokens.refreshToken
        // What authenticated against memory is refused where it counts, and the client read again.
        var clients: [Client] = []
        let result = try await vault.withRecentClient(known) { recent in
            var read = recent
            if read == nil { read = try await vault.clients.first(identifiedBy: before.clientID) }
            let client = try #require(read)
            clients.append(client)
            return try await vault.exchange(
                ExchangeRequest(
                    kind: .refreshToken, credential: refreshToken, client: client, channel: .library))
        }
        #expect(result.issued?.generation == scene.tokens.generation + 1)
        try #require(clients.count == 2)
        #expect(clients[1].secrets.map(\.generation) != before.secrets.map(\.generation))
    }

    @Test(.withSQL) func `an older one than the process saw is damage until it is gone`() async throws {
        let scene = try await Scene()
        try scene.putBack("before")
        try await scene.expectDamage(in: scene.test.vault)
        try scene.putBack("after")
        #expect(try await scene.party.refresh(scene.tokens.refreshToken).issued != nil)
    }

    @Test(.withSQL)
    func `with all rows and entries of its time, and its head, it is found while the process runs`()
        async throws
    {
        let scene = try await Scene()
        try scene.test.keep()
        try await scene.test.vault.clients.disable("app")
        try scene.test.setBack()
        // A server may have been replaced: a write judges that.
        let code: VaultError.Code = scene.test.database == nil ? .integrity : .unavailable
        await #expect(throws: VaultError(code, "")) {
            try await scene.test.vault.validate(scene.tokens.pair.accessToken)
        }
        await #expect(throws: VaultError(.integrity, "")) { try await scene.test.vault.proveWritePath() }
    }

    @Test(.withSQL, arguments: ["next_owner_id", "next_grant_id", "next_secret_id", "next_key_id"])
    func `no counter goes back`(_ counter: String) async throws {
        let scene = try await Scene()
        let vault = scene.test.vault
        switch counter {
        case "next_owner_id": _ = try await vault.users.add("carol")
        case "next_grant_id": _ = try await scene.party.authorize()
        case "next_secret_id":
            _ = try await vault.clients.rotateSecret(of: scene.party.client.clientID, overlap: .zero)
        default: _ = try await vault.keys.rotate(.log)
        }
        try scene.putBack("after")
        await #expect(throws: VaultError(.integrity, "")) { try await vault.proveWritePath() }
    }

    @Test(.withSQL) func `two current keys of one purpose are damage`() async throws {
        let scene = try await Scene()
        try scene.test.keep("keys")
        _ = try await scene.test.vault.keys.rotate(.log)
        try scene.test.putBack("system_keys", where: "purpose = 5", of: "keys")
        #expect(
            try scene.test.sql("SELECT count(*) FROM system_keys WHERE purpose = 5 AND state = 1")
                == "2")
        await scene.test.vault.close()
        let refusal = await #expect(throws: VaultError(.integrity, "")) { try await scene.test.reopen() }
        #expect(refusal?.message.contains("Two system keys") == true)
    }

    @Test(.withSQL)
    func `the stamp changes with the registry alone, and the last entry of every commit names it`()
        async throws
    {
        let scene = try await Scene()
        func stamp() throws -> String { try scene.test.sql("SELECT lower(hex(stamp)) FROM vault") }
        func expectNamed() throws {
            let last = try scene.test.sql(
                "SELECT CAST(bytes AS TEXT) FROM audit_leaves ORDER BY id DESC LIMIT 1")
            #expect(last.hasSuffix(#","st":"\#(try stamp())"}"#), "\(last)")
        }
        let first = try stamp()
        try expectNamed()
        _ = try await scene.party.begin()
        try await scene.test.vault.proveWritePath()
        #expect(try stamp() == first)
        try expectNamed()
        _ = try await scene.test.vault.users.add("carol")
        #expect(try stamp() != first)
        try expectNamed()
    }
}
