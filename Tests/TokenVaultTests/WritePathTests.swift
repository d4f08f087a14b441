import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `The write path: group commit, savepoints, bounds` {
    @Test func `writes that arrive together share commits`() async throws {
        let test = try await TestVault()
        let before = test.vault.statistics.commits
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<200 { group.addTask { _ = try await test.vault.users.add("user \(index)") } }
            try await group.waitForAll()
        }
        let commits = test.vault.statistics.commits - before
        #expect(commits < 100, "\(commits) commits for 200 writes")
        #expect(try await test.vault.users.list().count == 200)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `a body that fails takes no other with it`() async throws {
        let test = try await TestVault()
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<120 {
                // Every third name is taken by the one before it.
                group.addTask {
                    (try? await test.vault.users.add("user \(index - (index % 3 == 2 ? 1 : 0))")) != nil
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(outcomes == 80)
        #expect(try await test.vault.users.list().count == 80)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `a caller that is cancelled does not stop its write`() async throws {
        let test = try await TestVault()
        let task = Task { try await test.vault.users.add("alice") }
        task.cancel()
        _ = await task.result
        #expect(try await test.vault.users.find("alice").name == "alice")
    }

    @Test func `64 refreshes of one token at once have one successor`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let token = try first.refreshToken
        let texts = try await withThrowingTaskGroup(of: [[UInt8]].self) { group in
            for _ in 0..<64 {
                group.addTask {
                    let result = try await party.refresh(token)
                    return try #require(result.issued ?? result.replayed).text
                }
            }
            return try await group.reduce(into: Set<[[UInt8]]>()) { $0.insert($1) }
        }
        #expect(texts.count == 1)
        #expect(try await test.vault.grants.find(first.grant).generation == 2)
    }

    @Test func `two handles on one file, as two processes have, see each other's writes`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await test.reopen()
        var tokens = try await party.begin()
        for round in 0..<40 {
            tokens = try #require(
                await party.refresh(tokens.refreshToken, in: round % 2 == 0 ? other : nil).issued)
        }
        #expect(try await other.validate(tokens.pair.accessToken) != nil)
        try await other.users.disable("alice")
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
        #expect(try await party.refresh(tokens.refreshToken).refusal == .ownerDisabled)
        try await test.vault.users.enable("alice")
        #expect(try await other.validate(tokens.pair.accessToken) != nil)
        await other.close()
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `two handles writing at once lose nothing`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<60 {
                group.addTask {
                    _ = try await (index % 2 == 0 ? test.vault : other).users.add("user \(index)")
                }
            }
            try await group.waitForAll()
        }
        #expect(try await test.vault.users.list().count == 60)
        #expect(try await other.log.verify().isIntact)
        await other.close()
    }
}

@Suite(.bounded) struct `P10: the store is bounded by what is alive` {
    private func grants(_ test: TestVault) throws -> Int {
        try #require(Int(sqlite(test.path, "SELECT count(*) FROM grants")))
    }

    @Test(.ofFiles) func `a thousand refreshes leave one row`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var tokens = try await party.begin()
        for _ in 0..<1000 { tokens = try #require(await party.refresh(tokens.refreshToken).issued) }
        #expect(try grants(test) == 1)
    }

    @Test(.ofFiles) func `expired grants go a week later, a few with each new one`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        for _ in 0..<20 { _ = try await party.authorize() }
        test.clock.advance(by: .seconds(5 * 86400))
        _ = try await party.authorize()
        #expect(try grants(test) == 21)
        test.clock.advance(by: .seconds(4 * 86400))
        _ = try await party.authorize()
        #expect(try grants(test) == 22 - Limits.purgedGrantsPerIssue)
        for _ in 0..<10 { _ = try await party.authorize() }
        #expect(try grants(test) == 12)
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        // No row goes without an entry of its own, which names that row alone and the entry that named it before.
        let purges = try await test.vault.log.leaves(limit: 1000).map {
            String(decoding: $0.leaf, as: UTF8.self)
        }
        .filter { $0.contains(#""op":"grant.purge""#) }
        #expect(purges.count == 20)
        for leaf in purges {
            let grant = try #require(leaf.firstMatch(of: /"g":(\d+)/)).1
            #expect(leaf.contains("\"rows\":[[6,\(grant),null,"))
            #expect(leaf.contains(#""who":"#))
        }
    }

    /// Until nothing is left to look at, as the upkeep of a service does.
    private func purgeCodes(_ test: TestVault, after last: Int64 = 0) async throws -> Int64 {
        var last = last
        while true {
            let seen = try await test.vault.purgeUnredeemedCodes(after: last)
            guard seen != last else { return last }
            last = seen
        }
    }

    @Test(.ofFiles) func `codes that were not redeemed are gone within the hour, and no other grant`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        var codes: [SecretBytes] = []
        for _ in 0..<Limits.purgedCodesPerWrite + 10 { codes.append(try await party.authorize()) }
        test.clock.advance(by: .seconds(29 * 60))
        #expect(try await purgeCodes(test) == 0)
        let late = try await party.authorize()
        test.clock.advance(by: .seconds(2 * 60))
        let last = try await purgeCodes(test)
        #expect(try grants(test) == 2)
        #expect(try await party.redeem(codes[0]).refusal == .unknownGrant)
        #expect(try await party.redeem(late).refusal == .codeExpired)
        #expect(try await party.refresh(tokens.refreshToken).issued != nil)
        // Those before are not looked at again.
        test.clock.advance(by: .seconds(29 * 60))
        _ = try await purgeCodes(test, after: last)
        #expect(try grants(test) == 1)
        let purges = try await test.vault.log.leaves(limit: 1000).map {
            String(decoding: $0.leaf, as: UTF8.self)
        }
        .filter { $0.contains(#""op":"grant.purge""#) }
        #expect(purges.count == codes.count + 1)
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
    }

    // Anyone who may write the file can make a grant look like a code, and must not have it deleted.
    @Test(.ofFiles) func `a grant that was edited into a code stays, and the others go`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await party.begin()
        _ = try await party.authorize()
        _ = try sqlite(test.path, "UPDATE grants SET generation = 0 WHERE id = 1")
        test.clock.advance(by: .seconds(3600))
        _ = try await purgeCodes(test)
        #expect(try grants(test) == 1)
        #expect(try await Set(test.vault.log.verify().places) == ["grants 1"])
    }

    @Test(.ofFiles) func `a grant that was purged and put back is found`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await party.authorize()
        _ = try sqlite(test.path, "VACUUM INTO '\(test.directory)/old'")
        test.clock.advance(by: .seconds(9 * 86400))
        _ = try await party.authorize()
        #expect(try grants(test) == 1)
        _ = try sqlite(
            test.path,
            "ATTACH '\(test.directory)/old' AS old; INSERT INTO main.grants SELECT * FROM old.grants")
        #expect(try await Set(test.vault.log.verify().places) == ["grants 1"])
    }

    @Test(.ofFiles) func `a wall clock that was stepped deletes nothing`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        for _ in 0..<5 { _ = try await party.authorize() }
        test.clock.step(.seconds(400 * 86400))
        _ = try await party.authorize()
        #expect(try await purgeCodes(test) == 0)
        #expect(try grants(test) == 6)
    }
}
