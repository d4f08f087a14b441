import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `P7: while a service runs, every row is compared with the last entry that names it` {
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        var vault: Vault { test.vault }

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            _ = try await Party(test.vault, "other", user: "bob")
            tokens = try await party.begin()
            _ = try await test.connect(party.user)
        }

        func keepCopy() throws { try test.keep() }

        func attack(_ sql: String) throws { try test.sql(sql) }

        /// One pass; `rest` is called between its slices, which are as small as they can be.
        @discardableResult
        func pass(_ rest: (Int) async throws -> Void = { _ in }) async throws -> Int {
            var pace = PassPace()
            var slices = 0
            try await vault.compareRows(&pace, of: .zero) { _ in
                slices += 1
                try await rest(slices)
            }
            return slices
        }
    }

    @Test func `one that is as it should be has no finding, whatever is written meanwhile`() async throws {
        let scene = try await Scene()
        for _ in 0..<300 { _ = try await scene.party.authorize() }
        var tokens = scene.tokens
        let slices = try await scene.pass { slice in
            guard slice < 60 else { return }
            tokens = try #require(await scene.party.refresh(tokens.refreshToken).issued)
            _ = try await scene.party.begin()
            if slice == 10 { _ = try await scene.vault.users.add("carol") }
            if slice == 30 { try await scene.vault.users.remove("carol") }
            if slice == 40 { _ = try await scene.vault.keys.rotate(.rows) }
        }
        #expect(slices > 60)
        #expect(scene.vault.damagedRows == 0)
        #expect(scene.vault.rowPasses == 1)
    }

    @Test(.withSQL) func `a log that was pruned before, or is pruned meanwhile`() async throws {
        let log = try await Log(entries: 900)
        func prune(_ count: Int64) async throws {
            _ = try await log.vault.log.prune(log.vault.log.planPrune(keeping: .newest(count)))
        }
        func pass(_ rest: (Int) async throws -> Void = { _ in }) async throws {
            var pace = PassPace()
            var slices = 0
            try await log.vault.compareRows(&pace, of: .zero) { _ in
                slices += 1
                try await rest(slices)
            }
        }
        try await prune(600)
        try await pass()
        // Under the pass: it begins again.
        try await pass { if $0 == 5 { try await prune(10) } }
        #expect(log.vault.damagedRows == 0)
        #expect(log.vault.rowPasses == 2)
        try log.test.sql("UPDATE audit_tiles SET hash = zeroblob(32) WHERE id = 0")
        try await pass()
        #expect(log.vault.damagedRows == 1)
    }

    @Test func `grants that expired may be there, or gone`() async throws {
        let scene = try await Scene()
        for days in [30, 100, 300] {
            scene.test.clock.advance(by: .seconds(days * 86400))
            _ = try await scene.party.begin()
            try await scene.pass()
            #expect(scene.vault.damagedRows == 0)
        }
    }

    @Test(
        .withSQL,
        arguments: [
            "owners", "grants", "client_secrets", "keyslots", "connections", "providers", "system_keys",
        ])
    func `an older row that is put back is found, and no more once the newest is there again`(
        _ table: String
    ) async throws {
        let scene = try await Scene()
        let newest: String
        if table == "grants" {
            try scene.keepCopy()
            _ = try #require(await scene.party.refresh(scene.tokens.refreshToken).issued)
            newest = "generation = 2"
        } else {
            // As it was before the log named it once more.
            while try await scene.vault.auditSize() < 600 { _ = try await scene.party.authorize() }
            try scene.keepCopy()
            _ = try await scene.vault.log.prune(scene.vault.log.planPrune(keeping: .newest(10)))
            newest = "leaf > 500"
        }
        let id = try scene.test.sql("SELECT max(id) FROM \(table) WHERE \(newest)")
        try #require(!id.isEmpty)
        try scene.test.keep("newest")
        try scene.test.putBack(table, where: "id = \(id)")
        try await scene.pass()
        #expect(scene.vault.damagedRows == 1)
        try scene.test.putBack(table, where: "id = \(id)", of: "newest")
        try await scene.pass()
        #expect(scene.vault.damagedRows == 0)
    }

    @Test(.withSQL) func `it is found at once, before the pass ends`() async throws {
        let scene = try await Scene()
        try scene.keepCopy()
        try await scene.vault.users.disable("alice")
        let id = scene.party.user.id.rawValue
        try scene.test.putBack("owners", where: "id = \(id)")
        for _ in 0..<100 { _ = try await scene.party.authorize() }
        var isEarly = false
        try await scene.pass { _ in
            if scene.vault.damagedRows == 1, scene.vault.rowPasses == 0 { isEarly = true }
        }
        #expect(isEarly)
    }

    @Test(.withSQL) func `a row that is gone, one that came back after its deletion, one that was edited`()
        async throws
    {
        let scene = try await Scene()
        try await scene.vault.users.setPassword(SecretBytes(copying: "correct horse battery"), of: "alice")
        let lost = scene.test.directory + "/lost"
        try Vault.createKeyFile(at: lost)
        _ = try await scene.vault.keys.addSlot(named: "lost", unlockedBy: .keyFile(path: lost))
        try scene.keepCopy()
        try await scene.vault.keys.removeSlot(named: "lost")
        try scene.attack("DELETE FROM main.connections")
        try await scene.pass()
        #expect(scene.vault.damagedRows == 1)
        try scene.test.putBack("keyslots")
        try await scene.pass()
        #expect(scene.vault.damagedRows == 2)
        try scene.attack("UPDATE main.passwords SET version = version + 1")
        try await scene.pass()
        #expect(scene.vault.damagedRows == 3)
    }

    @Test(
        .withSQL,
        arguments: [
            "DELETE FROM main.audit_leaves WHERE id = 5",
            "UPDATE main.audit_leaves SET bytes = X'00' WHERE id = 5",
            "UPDATE main.audit_head SET last_time = last_time + 99999999999",
            "UPDATE main.audit_leaves SET bytes = CAST(replace(CAST(bytes AS TEXT), 'user.add', 'user.xdd') AS BLOB)",
        ])
    func `a log that is not the one that was signed excuses no row`(_ sql: String) async throws {
        let scene = try await Scene()
        try scene.keepCopy()
        try scene.attack(sql)
        try await scene.pass()
        #expect(scene.vault.damagedRows == 1)
    }
}

@Suite(.bounded) struct `The comparison of rows takes a twentieth of a processor at most` {
    @Test func `whatever a slice took, it rests for nineteen times as long`() {
        var pace = PassPace()
        var (used, rested) = (Duration.zero, Duration.zero)
        for milliseconds in [1, 5, 5, 700, 0, 12] {
            used += .milliseconds(milliseconds)
            rested += pace.rest(after: .milliseconds(milliseconds))
            #expect(used <= (used + rested) / 20)
        }
    }

    @Test func `a small vault is compared every few seconds, a large one begins again within the hour`() {
        var pace = PassPace()
        #expect(pace.pause == .seconds(10))
        _ = pace.rest(after: .seconds(10))
        #expect(pace.pause == .seconds(800))
        // The most that fits into a day with the pause: 69 minutes of a processor.
        let day = Duration.seconds(86400)
        _ = pace.rest(after: .seconds(69 * 60 - 10))
        #expect(pace.pause == .seconds(3600))
        #expect(.seconds(69 * 60 * 20) + pace.pause <= day)
    }
}
