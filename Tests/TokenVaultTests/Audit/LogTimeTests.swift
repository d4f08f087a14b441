import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCustody

extension TestVault {
    /// Writes other bytes over those of an entry; its hash stays, so both are found.
    func rewrite(_ index: Int64, _ change: (String) -> String) async throws {
        let leaf = try #require(try await vault.log.leaves(from: index, limit: 1).first?.leaf)
        let text = String(decoding: leaf, as: UTF8.self)
        let new = change(text)
        #expect(new != text)
        let bytes = new.utf8.map { String(format: "%02X", $0) }.joined()
        _ = try sqlite(path, "UPDATE audit_leaves SET bytes = X'\(bytes)' WHERE id = \(index)")
    }

    /// What is said of one entry.
    func problems(_ index: Int64) async throws -> [String] {
        try await vault.log.verify().findings.filter { $0.place == "entry \(index)" }.map(\.problem)
    }
}

@Suite(.bounded) struct `An entry says when it was written, though the clock was ahead before` {
    private static let years = Duration.seconds(43 * 365 * 86_400)

    /// One entry in 2069, and one when the clock is right again; the second's index.
    private func scene() async throws -> (TestVault, Int64) {
        let test = try await TestVault()
        test.clock.step(Self.years)
        _ = try await test.vault.users.add("alice")
        test.clock.step(.zero - Self.years)
        test.clock.advance(by: .seconds(60))
        _ = try await test.vault.users.add("bob")
        return (test, try await test.vault.auditSize() - 1)
    }

    @Test func `people see the wall clock, the log keeps its own time beside it`() async throws {
        let (test, last) = try await scene()
        let entry = try await test.vault.log.entry(last).entry
        #expect(entry.wall == test.clock.now())
        #expect(entry.time > entry.wall.advanced(by: .seconds(42 * 365 * 86_400)))
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")

        let (from, to) = (entry.wall.advanced(by: .seconds(-3600)), entry.wall.advanced(by: .seconds(3600)))
        let digest = try await test.vault.log.digest(from: from, to: to)
        // All but the one from the year 2069.
        #expect(digest.entries == last)
        #expect(digest.span?.to == entry.wall)
        var filter = AuditFilter()
        (filter.since, filter.until) = (from, to)
        var found: [AuditEntry] = []
        for try await entry in test.vault.log.entries(matching: filter) { found.append(entry) }
        #expect(Int64(found.count) == last && found.last?.index == last)
        #expect(try await test.vault.status().lastWriteAt == entry.wall)
    }

    @Test func `retention goes by the wall clock, and past what a clock that was ahead wrote`() async throws {
        let (test, _) = try await scene()
        let party = try await Party(test.vault, user: "carol")
        while try await test.vault.auditSize() < 300 { _ = try await party.authorize() }
        test.clock.advance(by: .seconds(86_400))
        let time = test.clock.now()
        _ = try await party.authorize()
        #expect(try await test.vault.log.planPrune(keeping: .since(time)).newFirstKept == 256)
        let past = VaultInstant(millisecondsSince1970: 0)
        #expect(try await test.vault.log.planPrune(keeping: .since(past)).entries == 0)
        #expect(try await test.vault.log.prune(test.vault.log.planPrune(keeping: .since(time))) == 256)
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
    }

    @Test(.ofFiles) func `the log's time is set back by one act, and everything reads on`() async throws {
        let (test, _) = try await scene()
        let key = test.vault.log.verifierKey
        let before = try await test.vault.log.checkpoint()
        #expect(try await test.vault.log.time().isAhead)
        try await test.vault.log.setTime(reason: "the battery of the clock")
        let act = try await test.vault.log.entry(test.vault.auditSize() - 1)
        #expect(act.entry.operation == "audit.set-time" && act.personalData == "the battery of the clock")
        #expect(act.entry.time == test.clock.now() && act.entry.wall == act.entry.time)
        #expect(try await !test.vault.log.time().isAhead)
        await #expect(throws: VaultError(.denied, "")) { try await test.vault.log.setTime(reason: "again") }

        test.clock.advance(by: .seconds(5))
        let carol = try await test.vault.users.add("carol")
        let entry = try await test.vault.log.entry(test.vault.auditSize() - 1).entry
        #expect(entry.time == test.clock.now() && entry.time == entry.wall)
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        #expect(try await test.vault.log.verify(since: before).isIntact)
        var pace = PassPace()
        try await test.vault.compareRows(&pace) { _ in }
        #expect(test.vault.damagedRows == 0)
        let kept = try await test.backUp()
        try await test.vault.users.remove(carol.name)
        await test.vault.close()
        #expect(try await VaultLog.verify(at: test.path, verifierKey: key).isIntact)

        // A restore, which reads the log after the backup, and the restored vault.
        _ = try await test.restore(kept, newest: .vault(path: test.path)).apply()
        let restored = try await test.open()
        let again = try await restored.log.verify()
        #expect(again.isIntact, "\(again.findings)")
        #expect(try await restored.log.entry(restored.auditSize() - 1).entry.wall == test.clock.now())
        await restored.close()
    }

    @Test func `set back twice while both wait for one commit, it goes back once`() async throws {
        let (test, _) = try await scene()
        let size = try await test.vault.auditSize()
        let done = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 {
                group.addTask { (try? await test.vault.log.setTime(reason: "all at once")) != nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(done == 1)
        #expect(try await test.vault.auditSize() == size + 1)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test(.ofFiles) func `a step back without the act, or a second for one act, is found`() async throws {
        let (test, _) = try await scene()
        try await test.vault.log.setTime(reason: "the battery of the clock")
        let act = try await test.vault.auditSize() - 1
        _ = try await test.vault.users.add("carol")
        _ = try await test.vault.users.add("dora")
        let older = "is older than the one before it"
        #expect(try await test.problems(act).isEmpty)

        func setTime(_ leaf: String, _ time: Int64) -> String {
            leaf.replacing(/"t":\d+/, with: "\"t\":\(time)", maxReplacements: 1)
        }
        let now = test.clock.now().millisecondsSince1970
        try await test.rewrite(act + 1) { setTime($0, now - 1) }
        #expect(try await test.problems(act + 1).contains(older))
        #expect(try await !test.problems(act).contains(older))
        // Without the verb it is no act.
        try await test.rewrite(act) { $0.replacing("audit.set-time", with: "audit.set-tide") }
        #expect(try await test.problems(act).contains(older))
    }

    @Test(
        .ofFiles,
        arguments: [
            // A wall clock at or after the log's time; a time twice; members out of order.
            (#","m":"#, #","w":99999999999999,"m":"#), (#","m":"#, #","w":1,"w":1,"m":"#),
            (#","by":"#, #","w":1,"by":"#),
        ])
    func `a wall clock that no writer writes is no entry`(_ part: String, _ other: String) async throws {
        let test = try await TestVault()
        try await test.rewrite(1) { $0.replacing(part, with: other, maxReplacements: 1) }
        #expect(try await test.problems(1).contains("is not an entry of this format"))
    }
}
