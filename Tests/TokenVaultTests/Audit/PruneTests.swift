import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCustody

@Suite(.bounded) struct `Pruning removes old entries and no proof` {
    private func prune(_ log: Log, keeping count: Int64) async throws -> Int64 {
        try await log.vault.log.prune(log.vault.log.planPrune(keeping: .newest(count)))
    }

    @Test(.ofFiles) func `whole tiles go, rows are named anew, everything still verifies`() async throws {
        let log = try await Log(entries: 900)
        let old = Array(try await log.checkpoint().utf8)
        let before = try await log.proof(of: 10)
        let plan = try await log.vault.log.planPrune(keeping: .newest(300))
        #expect(plan.newFirstKept == 512 && plan.firstKept == 0 && plan.entries == 512)
        // Keys, owners, the client and every code whose entry goes.
        #expect(plan.rows > 450 && plan.personalRecords > 0)
        #expect(try await log.vault.log.prune(plan) == 512)

        let report = try await log.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        #expect(report.firstKept == 512 && report.notes.isEmpty)
        #expect(report.provenSize == report.size && report.untouchedRows == report.rows)
        #expect(try sqlite(log.test.path, "SELECT min(id), count(*) > 0 FROM audit_leaves") == "512|1")
        #expect(try sqlite(log.test.path, "SELECT count(*) FROM audit_personal") == "0")
        #expect(try sqlite(log.test.path, "SELECT count(*) FROM grants WHERE leaf < 512") == "0")

        for index in [512, 600, try await log.vault.auditSize() - 1] {
            _ = try AuditProof.check(try await log.proof(of: index), verifierKey: log.vkey)
        }
        // What was proved once stays proved; what is gone is proved no more.
        _ = try AuditProof.check(before, verifierKey: log.vkey)
        await #expect(throws: VaultError(.notFound, "")) { try await log.proof(of: 10) }
        #expect(try await log.vault.log.digest().firstEntry == 512)
        _ = try await log.vault.log.consistencyProof(from: old)
        _ = try AuditProof.check(try await log.proof(of: 512, size: 600), verifierKey: log.vkey)
        await #expect(throws: VaultError(.notFound, "")) { try await log.proof(of: 10, size: 300) }
        let key = log.vkey
        await log.vault.close()
        #expect(try await VaultLog.verify(at: log.test.path, verifierKey: key).isIntact)
        let vault = try await log.test.reopen()
        #expect(try await vault.log.verify(since: String(decoding: old, as: UTF8.self)).isIntact)
        await vault.close()
    }

    @Test func `tokens go on working, and it can be done again and again`() async throws {
        let log = try await Log(entries: 300)
        var tokens = log.tokens
        for _ in 0..<3 {
            _ = try await prune(log, keeping: 10)
            tokens = try #require(await log.party.refresh(tokens.refreshToken).issued)
            try await log.grow(300)
        }
        let report = try await log.vault.log.verify()
        #expect(report.isIntact && report.firstKept >= 768, "\(report.findings)")
        let nothing = try await log.vault.log.planPrune(keeping: .newest(.max))
        #expect(nothing.entries == 0)
        #expect(try await log.vault.log.prune(nothing) == nothing.firstKept)
    }

    @Test func `a checkpoint before what is kept proves the rest where it ends with a tile`() async throws {
        let log = try await Log(entries: 1)
        try await log.grow(256 - Int(try await log.vault.auditSize()))
        let whole = try await log.checkpoint()
        try await log.grow(44)
        let within = try await log.checkpoint()
        try await log.grow(600)
        #expect(try await prune(log, keeping: 10) == 768)
        let report = try await log.vault.log.verify(since: whole)
        #expect(report.isIntact && report.since == 256, "\(report.findings)")
        _ = try await log.vault.log.consistencyProof(from: Array(whole.utf8))
        await #expect(throws: VaultError(.notFound, "")) { try await log.vault.log.verify(since: within) }
        await #expect(throws: VaultError(.notFound, "")) {
            try await log.vault.log.consistencyProof(from: Array(within.utf8))
        }
    }

    @Test func `by time: what was written since is kept`() async throws {
        let log = try await Log(entries: 300)
        log.test.clock.advance(by: .seconds(86_400))
        let time = log.test.clock.now()
        let size = try await log.vault.auditSize()
        try await log.grow(300)
        let plan = try await log.vault.log.planPrune(keeping: .since(time))
        #expect(plan.newFirstKept == size / 256 * 256)
        #expect(
            try await log.vault.log.planPrune(keeping: .since(VaultInstant(millisecondsSince1970: 0))).entries
                == 0)
    }

    @Test(.ofFiles) func `an interrupted one is said to be unfinished, and goes on`() async throws {
        let log = try await Log(entries: 2400)
        let plan = try await log.vault.log.planPrune(keeping: .newest(10))
        #expect(plan.newFirstKept == 2304)
        let copy = log.test.directory + "/before"
        _ = try sqlite(log.test.path, "VACUUM INTO '\(copy)'")
        _ = try await log.vault.log.prune(plan)
        // As a crash between two of its transactions would leave it.
        _ = try sqlite(
            log.test.path,
            "ATTACH '\(copy)' AS old; INSERT INTO audit_leaves SELECT * FROM old.audit_leaves WHERE id BETWEEN 1024 AND 2303"
        )
        let report = try await log.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        #expect(report.notes.count == 1 && report.firstKept == 2304)
        let rest = try await log.vault.log.planPrune(keeping: .newest(10))
        #expect(rest.firstKept == 1024)
        _ = try await log.vault.log.prune(rest)
        let done = try await log.vault.log.verify()
        #expect(done.isIntact && done.notes.isEmpty)
    }

    @Test(.withSQL) func `one entry more than announced is missed, and so is a tile above it`() async throws {
        let log = try await Log(entries: 900)
        _ = try await prune(log, keeping: 300)
        try log.test.sql("DELETE FROM audit_leaves WHERE id = 512")
        let report = try await log.vault.log.verify()
        #expect(report.findings.contains { $0.place == "entry 512" && $0.problem == "is missing" })
        #expect(report.firstBadEntry == 512)
    }

    @Test(.withSQL) func `a tile hash of what was pruned is vouched for by the root`() async throws {
        let log = try await Log(entries: 900)
        _ = try await prune(log, keeping: 300)
        try log.test.sql("UPDATE audit_tiles SET hash = zeroblob(32) WHERE id = 0")
        let report = try await log.vault.log.verify()
        #expect(report.places.contains("head"))
        await #expect(throws: VaultError(.integrity, "")) { try await log.proof(of: 600) }
    }

    @Test(.withSQL) func `a damaged log is not pruned`() async throws {
        let log = try await Log(entries: 600)
        let plan = try await log.vault.log.planPrune(keeping: .newest(10))
        try log.test.sql("UPDATE audit_leaves SET hash = zeroblob(32) WHERE id = 5")
        await #expect(throws: VaultError(.integrity, "")) { try await log.vault.log.prune(plan) }
        #expect(try log.test.sql("SELECT min(id) FROM audit_leaves") == "0")
    }

    @Test(.ofFiles) func `what webhooks were not told of stays`() async throws {
        let log = try await Log(entries: 600)
        _ = try await log.vault.addWebhook("https://hooks.example/", secret: Secret(copying: "s"))
        _ = try sqlite(log.test.path, "UPDATE webhook_cursors SET position = 3")
        let plan = try await log.vault.log.planPrune(keeping: .newest(10))
        await #expect(throws: VaultError(.denied, "")) { try await log.vault.log.prune(plan) }
    }

    @Test func `traffic goes on meanwhile`() async throws {
        let log = try await Log(entries: 1500)
        let plan = try await log.vault.log.planPrune(keeping: .newest(10))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { _ = try await log.vault.log.prune(plan) }
            group.addTask {
                var tokens = log.tokens
                for _ in 0..<60 {
                    tokens = try #require(await log.party.refresh(tokens.refreshToken).issued)
                    _ = try await log.party.authorize()
                }
            }
            try await group.waitForAll()
        }
        #expect(try await log.vault.log.verify().isIntact)
    }
}
