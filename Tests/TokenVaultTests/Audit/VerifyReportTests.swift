import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Verify says what is damaged, what is affected, and what can still be trusted` {
    private static let edit = "CAST(replace(CAST(bytes AS TEXT), '\"ok\"', '\"no\"') AS BLOB)"

    @Test func `an intact log is trusted whole`() async throws {
        let log = try await Log(entries: 600)
        let report = try await log.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        #expect(report.provenSize == report.size && report.firstBadEntry == nil)
        #expect(report.untouchedRows == report.rows && report.untouchedGrants == report.grants)
        #expect(report.grants > 500 && report.affectedGrants.isEmpty)
    }

    @Test(.withSQL) func `one edited entry is that entry, and takes one grant with it`() async throws {
        let log = try await Log(entries: 600)
        let grant = try #require(try await log.vault.log.entry(300).entry.grant)
        try log.test.sql("UPDATE audit_leaves SET bytes = \(Self.edit) WHERE id = 300")
        let report = try await log.vault.log.verify()
        #expect(report.firstBadEntry == 300 && report.provenSize == 300)
        #expect(report.affectedGrants == [grant])
        #expect(report.untouchedGrants == report.grants - 1)
        #expect(Set(report.places) == ["entry 300", "tile 1", "head"])
    }

    @Test(.withSQL) func `an entry edited with its hash: the tile is doubted, the others are not`()
        async throws
    {
        let log = try await Log(entries: 800)
        try log.test.sql(
            "UPDATE audit_leaves SET (bytes, hash) = (SELECT bytes, hash FROM audit_leaves WHERE id = 299) WHERE id = 300"
        )
        let report = try await log.vault.log.verify()
        #expect(report.provenSize == 256 && report.firstBadEntry == 300)
        #expect(report.grants - report.untouchedGrants == 256)
    }

    @Test(.withSQL) func `a tile edited with its entry is found, one edited alone harms nothing`()
        async throws
    {
        let log = try await Log(entries: 800)
        try log.test.sql("UPDATE audit_tiles SET hash = zeroblob(32) WHERE id = 1")
        let alone = try await log.vault.log.verify()
        #expect(alone.places == ["tile 1"])
        #expect(alone.provenSize == alone.size && alone.untouchedRows == alone.rows)
        try log.test.sql("UPDATE audit_leaves SET bytes = \(Self.edit) WHERE id = 300")
        let report = try await log.vault.log.verify()
        #expect(report.provenSize == 256 && report.firstBadEntry == 300)
    }

    @Test(.withSQL) func `a cut tail: what is before the last perfect subtree is proven`() async throws {
        let log = try await Log(entries: 600)
        let size = try await log.vault.auditSize()
        try log.test.sql("DELETE FROM audit_leaves WHERE id >= \(size - 3)")
        let report = try await log.vault.log.verify()
        #expect(report.firstBadEntry == size - 3)
        #expect(report.provenSize >= 512 && report.provenSize <= size - 3)
        #expect(
            report.findings.contains { $0.place == "entry \(size - 3)" && $0.problem.contains("2 after") })
        #expect(report.places.contains("head"))
        #expect(report.grants - report.untouchedGrants >= 3)
    }

    @Test(.withSQL)
    func `a head cut along with the tail is not signed: nothing is proven, or what a checkpoint proves`()
        async throws
    {
        let log = try await Log(entries: 300)
        let old = try await log.checkpoint()
        let size = try await log.vault.auditSize()
        try await log.grow(20)
        try log.test.sql(
            "DELETE FROM audit_leaves WHERE id >= \(size + 10); UPDATE audit_head SET size = \(size + 10), note = replace(note, 'tokenvault', 'tokenvaulT')"
        )
        let report = try await log.vault.log.verify()
        #expect(report.places.contains("head") && report.provenSize == 0 && report.untouchedRows == 0)
        let since = try await log.vault.log.verify(since: old)
        #expect(since.places.contains("head") && since.provenSize == size)
    }

    @Test(.withSQL) func `a removed entry is named, and so is one too many`() async throws {
        let log = try await Log(entries: 300)
        try log.test.sql("UPDATE audit_leaves SET id = 100000 WHERE id = 17")
        let report = try await log.vault.log.verify()
        #expect(report.firstBadEntry == 17)
        #expect(report.places.contains("entry 17") && report.places.contains("entry 100000"))
        // Its hash is gone with it, and without that nothing leads from the others of its tile up to the root.
        #expect(report.provenSize == 0)
    }

    @Test(.withSQL) func `a missing head that no entry announced is found`() async throws {
        let log = try await Log(entries: 600)
        try log.test.sql("DELETE FROM audit_leaves WHERE id < 256; DELETE FROM audit_personal WHERE id < 256")
        let report = try await log.vault.log.verify()
        #expect(report.findings.contains { $0.place == "entry 0" && $0.problem.contains("255 after") })
        #expect(report.firstBadEntry == 0)
    }

    @Test(.withSQL) func `two rows swapped, one row rolled back: each is named`() async throws {
        let log = try await Log(entries: 20)
        try log.test.keep()
        _ = try await log.party.refresh(log.tokens.refreshToken)
        let grant = log.tokens.grant
        try log.test.putBack("grants", where: "id = \(grant)")
        let back = try await log.vault.log.verify()
        #expect(back.places == ["grants \(grant)"] && back.affectedGrants == [grant.rawValue])
        #expect(back.provenSize == back.size)
        try log.test.sql(
            "UPDATE grants SET id = -1 WHERE id = 5; UPDATE grants SET id = 5 WHERE id = 6; UPDATE grants SET id = 6 WHERE id = -1"
        )
        let swapped = try await log.vault.log.verify()
        #expect(swapped.affectedGrants == [grant.rawValue, 5, 6])
    }

    @Test(.withSQL) func `from a checkpoint on, what came since is checked and no more`() async throws {
        let log = try await Log(entries: 600)
        let old = try await log.checkpoint()
        try await log.grow(30)
        let good = try await log.vault.log.verify(since: old)
        #expect(good.isIntact, "\(good.findings)")
        #expect(good.since > 600 && good.rows < 200 && good.rows > 30)
        let whole = try await log.vault.log.verify()
        #expect(good.root == whole.root && good.size == whole.size)

        let last = try await log.vault.auditSize() - 2
        let grant = try #require(try await log.vault.log.entry(last).entry.grant)
        try log.test.sql("UPDATE grants SET state = 2 WHERE id = \(grant)")
        let row = try await log.vault.log.verify(since: old)
        #expect(row.affectedGrants == [grant])
        try log.test.sql("UPDATE audit_leaves SET bytes = \(Self.edit) WHERE id = \(last)")
        #expect(try await log.vault.log.verify(since: old).firstBadEntry == last)
    }

    @Test(.withSQL) func `a log that does not begin with the checkpoint is found`() async throws {
        let log = try await Log(entries: 300)
        let old = try await log.checkpoint()
        try await log.grow(5)
        let size = Int64(old.split(separator: "\n")[1]) ?? 0
        try log.test.sql("UPDATE audit_leaves SET bytes = \(Self.edit) WHERE id = \(size - 1)")
        let report = try await log.vault.log.verify(since: old)
        #expect(report.places.contains("entry 0"), "\(report.findings)")
        let other = try await Log(entries: 1)
        await #expect(throws: VaultError(.integrity, "")) {
            try await log.vault.log.verify(since: other.checkpoint())
        }
        await #expect(throws: VaultError(.integrity, "")) { try await log.vault.log.verify(since: "x") }
    }
}
