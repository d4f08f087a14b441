import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCustody

@Suite(.bounded) struct `P10: a served log is pruned behind what vouches for it` {
    private static let day = Duration.seconds(86_400)

    /// A log of 700 entries that are as old as `age`, and 700 of now; its rows were compared with it.
    private func agedLog(_ age: Duration, vault: (Log) async throws -> Void = { _ in }) async throws -> Log {
        let log = try await Log(entries: 700)
        try await vault(log)
        log.test.clock.advance(by: age)
        try await log.grow(700)
        try await compare(log.vault)
        return log
    }

    private func compare(_ vault: Vault) async throws {
        var pace = PassPace()
        try await vault.compareRows(&pace) { _ in }
    }

    private func export(_ log: Log) async throws {
        _ = try await log.vault.log.exportTiles(to: log.test.directory + "/tiles")
    }

    @Test func `less than 30 days is no setting`() {
        for age in [Duration.zero, .seconds(1), LogRetention.floor - .seconds(1), .seconds(-1)] {
            #expect(throws: VaultError(.invalidInput, "")) { try LogRetention(age: age) }
        }
        #expect(throws: VaultError(.invalidInput, "")) { try LogRetention(age: nil, size: 0) }
        #expect(LogRetention.standard.age == Self.day * 400 && LogRetention.standard.size == nil)
    }

    @Test(.ofFiles) func `what is too old goes once it was exported, and all that remains is proved`()
        async throws
    {
        let log = try await agedLog(Self.day * 401)
        // Neither anchor nor export: nothing goes, and it is said how much waits.
        _ = try await log.vault.log.keepInBounds(.standard) { Issue.record("a step was taken") }
        #expect(log.vault.log.firstKept == 0 && log.vault.log.overdueEntries == 512)
        #expect(try await log.vault.status().coveredEntries == nil)

        let before = Array(try await log.checkpoint().utf8)
        try await export(log)
        let hasMore = try await log.vault.log.keepInBounds(.standard) {}
        #expect(!hasMore)
        #expect(log.vault.log.firstKept == 512 && log.vault.log.overdueEntries == 0)
        let status = try await log.vault.status()
        #expect(status.firstKept == 512 && status.coveredEntries ?? 0 > 1400)
        let report = try await log.vault.log.verify()
        #expect(report.isIntact && report.firstKept == 512, "\(report.findings)")
        _ = try await log.vault.log.consistencyProof(from: before)
        _ = try AuditProof.check(try await log.proof(of: 512), verifierKey: log.vkey)
        _ = try await log.party.begin()
        // It is done once.
        _ = try await log.vault.log.keepInBounds(.standard) { Issue.record("a step was taken") }
    }

    @Test(.ofFiles) func `what no export has stays, and no forged record of one counts`() async throws {
        let log = try await Log(entries: 300)
        try await export(log)
        let exported = try await log.vault.status().coveredEntries
        try await log.grow(400)
        log.test.clock.advance(by: Self.day * 401)
        try await compare(log.vault)
        _ = try await log.vault.log.keepInBounds(.standard) {}
        #expect(log.vault.log.firstKept == 256 && log.vault.log.overdueEntries > 0)
        _ = try sqlite(
            log.test.path,
            "UPDATE jobs SET progress = replace(progress, '\(exported ?? 0) ', '100000 ') WHERE kind = 'audit-export'"
        )
        _ = try await log.vault.log.keepInBounds(.standard) {}
        #expect(log.vault.log.firstKept == 256)
        #expect(try await log.vault.status().coveredEntries == nil)
    }

    @Test(.ofFiles) func `an anchor covers what it was told, and a webhook keeps what it was not`()
        async throws
    {
        let log = try await agedLog(Self.day * 401) {
            _ = try await $0.vault.anchors.add(.file, target: $0.test.directory + "/anchor")
            _ = try sqlite($0.test.path, "UPDATE anchor_progress SET size = 300")
        }
        _ = try await log.vault.log.keepInBounds(.standard) {}
        #expect(log.vault.log.firstKept == 256 && log.vault.log.overdueEntries == 256)
        // An export does not stand in for an anchor that is behind: it would have nothing to go on from.
        try await export(log)
        _ = try await log.vault.log.keepInBounds(.standard) {}
        #expect(log.vault.log.firstKept == 256)
        _ = try await log.vault.addWebhook("https://hooks.example/", secret: Secret(copying: "s"))
        try await log.vault.anchors.publishCheckpoint(isForced: true)
        _ = try sqlite(log.test.path, "UPDATE webhook_cursors SET position = 300")
        _ = try await log.vault.log.keepInBounds(.standard) {}
        #expect(log.vault.log.firstKept == 256)
        _ = try sqlite(log.test.path, "UPDATE webhook_cursors SET position = 2000")
        _ = try await log.vault.log.keepInBounds(.standard) {}
        #expect(log.vault.log.firstKept == 512 && log.vault.log.overdueEntries == 0)
    }

    @Test(.ofFiles) func `a flood pushes out nothing younger than 30 days, whatever the size`() async throws {
        let smallest = try LogRetention(age: nil, size: 1)
        let young = try await agedLog(Self.day * 29)
        try await export(young)
        _ = try await young.vault.log.keepInBounds(smallest) { Issue.record("a step was taken") }
        #expect(young.vault.log.firstKept == 0 && young.vault.log.overdueEntries == 0)

        let old = try await agedLog(Self.day * 31)
        try await export(old)
        _ = try await old.vault.log.keepInBounds(.standard) { Issue.record("a step was taken") }
        let roomy = try LogRetention(age: nil, size: 100_000_000)
        _ = try await old.vault.log.keepInBounds(roomy) { Issue.record("a step was taken") }
        _ = try await old.vault.log.keepInBounds(smallest) {}
        #expect(old.vault.log.firstKept == 512)
        #expect(try await old.vault.log.verify().isIntact)
        _ = try await old.vault.log.keepInBounds(.everything) { Issue.record("a step was taken") }
    }

    private struct Killed: Error {}

    @Test(.ofFiles)
    func `it goes in small steps, the log is whole after each, and a death between them is made good`()
        async throws
    {
        let log = try await Log(entries: 2400)
        log.test.clock.advance(by: Self.day * 401)
        try await log.grow(10)
        try await export(log)
        var vault = log.vault
        // Dies after one step more each time, until nothing is left to do.
        for life in 1...200 {
            try await compare(vault)
            var (steps, kept, size) = (0, try await vault.status().firstKept, try await vault.auditSize())
            do {
                _ = try await vault.log.keepInBounds(.standard) {
                    let status = try await vault.status()
                    #expect(status.firstKept - kept <= Limits.prunedLeavesPerWrite)
                    #expect(
                        status.logSize - size <= 9, "24 rows to an entry, eight entries, and the announcement"
                    )
                    (kept, size) = (status.firstKept, status.logSize)
                    steps += 1
                    guard steps > life * 3 else { return }
                    let report = try await vault.log.verify()
                    #expect(report.isIntact, "\(report.findings)")
                    throw Killed()
                }
                break
            } catch is Killed {
                await vault.close()
                vault = try await log.test.reopen()
            }
        }
        let report = try await vault.log.verify()
        #expect(report.isIntact && report.notes.isEmpty && report.firstKept == 2304, "\(report.findings)")
        await vault.close()
    }

    @Test(.ofFiles) func `a clock that was set prunes nothing, nor does a damaged log`() async throws {
        let log = try await Log(entries: 700)
        try await export(log)
        try await compare(log.vault)
        log.test.clock.step(Self.day * 401)
        try await log.grow(10)
        _ = try await log.vault.log.keepInBounds(.standard) { Issue.record("a step was taken") }
        log.test.clock.step(Self.day * -401)
        try await log.grow(10)
        log.test.clock.advance(by: Self.day * 402)
        // Trusted again after an hour of the monotonic clock.
        try await log.grow(1)
        _ = try sqlite(
            log.test.path,
            "UPDATE audit_leaves SET bytes = cast(replace(cast(bytes AS text), '\"m\":', '\"m\":1') AS blob) WHERE id = 5"
        )
        await #expect(throws: VaultError(.integrity, "")) {
            try await log.vault.log.keepInBounds(.standard) { Issue.record("a step was taken") }
        }
        #expect(try sqlite(log.test.path, "SELECT min(id) FROM audit_leaves") == "0")
    }

    @Test(.ofFiles) func `rows are compared first, and an entry of the future goes with the next old one`()
        async throws
    {
        let log = try await Log(entries: 300)
        log.test.clock.step(Self.day * 9000)
        try await log.grow(300)
        log.test.clock.step(Self.day * -9000)
        try await log.grow(300)
        log.test.clock.advance(by: Self.day * 10)
        try await log.grow(300)
        log.test.clock.advance(by: Self.day * 395)
        try await export(log)
        _ = try await log.vault.log.keepInBounds(.standard) { Issue.record("a step was taken") }
        try await compare(log.vault)
        _ = try await log.vault.log.keepInBounds(.standard) {}
        #expect(log.vault.log.firstKept == 768)
        #expect(try await log.vault.log.verify().isIntact)
    }
}
