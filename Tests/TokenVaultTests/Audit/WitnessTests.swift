import Foundation
import MerkleLog
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCustody

@Suite(.bounded) struct `P6: a witness finds a cut tail, an older file and another history` {
    @Test(.ofFiles) func `it cosigns what goes on from what it saw, and is told from where`() async throws {
        let log = try await Witnessed()
        let added = try await log.add()
        #expect(added.trouble == nil && added.lag == 0 && added.size > 10)
        #expect(added.witnessKey == log.witness.key.vkey)
        #expect(log.witness.requests.count == 1)
        #expect(
            log.witness.requests[0].hasPrefix(
                "https://witness.example/add-checkpoint\nold 0\n\n\(log.origin)\n"))
        try await log.grow(30)
        #expect(try await log.trouble() == nil)
        #expect(log.witness.requests.count == 2 && log.witness.requests[1].contains("\nold \(added.size)\n"))
        #expect(try await log.witness.newest(log.origin)?.size == UInt64(log.vault.auditSize()))
        // The same checkpoint once more, with no proof.
        #expect(try await log.trouble() == nil)
        #expect(try await log.vault.log.verify().isIntact)
        #expect(try await log.vault.log.verify().notes.isEmpty)
        await log.vault.close()
    }

    @Test(.ofFiles)
    func `a witness that is ahead of what we know, or forgot it all, says so and gets its proof`()
        async throws
    {
        let log = try await Witnessed()
        try await log.add()
        log.witness.forget()
        try await log.grow(2)
        #expect(try await log.trouble() == nil)
        // Another copy of this process told it, and the note of that got lost.
        let before = log.witness.requests.count
        _ = try sqlite(log.test.path, "DELETE FROM anchor_progress")
        try await log.grow(5)
        #expect(try await log.trouble() == nil)
        #expect(log.witness.requests.count == before + 2)
        #expect(log.witness.requests[before].contains("\nold 0\n\n"))
        await log.vault.close()
    }

    @Test(.ofFiles) func `yesterday's file opens, and is found when it is verified, and speaks for nobody`()
        async throws
    {
        let log = try await Witnessed()
        let yesterday = log.test.directory + "/yesterday"
        try await log.add()
        await log.vault.close()
        try log.copy(log.test.path, yesterday)
        var vault = try await log.reopen()
        for index in 0..<5 { _ = try await vault.users.add("newest \(index)") }
        try await vault.anchors.publishCheckpoint(isForced: true)
        let told = try #require(log.witness.newest(log.origin))
        await vault.close()

        try log.copy(yesterday, log.test.path)
        vault = try await log.reopen()
        let report = try await vault.log.verify()
        #expect(report.places == ["anchors"])
        #expect(report.findings[0].problem.contains("has cosigned \(told.size) entries"))
        #expect(report.findings[0].problem.contains("an older copy is in place of the newest"))
        #expect(try await vault.anchors.list().map(\.trouble) == ["behind"])
        #expect(log.witness.newest(log.origin) == told)

        // A fork that grew beyond what the witness saw is no continuation of it.
        for index in 0..<9 { _ = try await vault.users.add("fork \(index)") }
        let fork = try await vault.log.verify()
        #expect(fork.places == ["anchors"] && fork.findings[0].problem.contains("another history"))
        #expect(try await vault.anchors.list().map(\.trouble) == ["differs"])
        #expect(log.witness.newest(log.origin) == told)
        await vault.close()
    }

    @Test(.ofFiles) func `a fork of the very same size is found`() async throws {
        let log = try await Witnessed()
        try await log.add()
        let size = try await log.vault.auditSize()
        log.witness.script { _ in ModelWitness.reply(409, "\(size)\n") }
        #expect(try await log.trouble() == "differs")
        await log.vault.close()
    }

    @Test(.ofFiles) func `what is between us and it damages nothing: a note, and the vault opens`()
        async throws
    {
        let log = try await Witnessed()
        try await log.add()
        log.witness.script { _ throws(WitnessTransportFailure) in throw .unreachable }
        let report = try await log.vault.log.verify()
        #expect(report.isIntact && report.notes.count == 1 && report.notes[0].contains("unreachable"))
        await log.vault.close()
        // As a program does that has no network.
        let vault = try await Witnessed.open(log.test.path, log.test, nil)
        let alone = try await vault.log.verify()
        #expect(alone.isIntact && alone.notes.count == 1 && alone.notes[0].contains("unasked"))
        await vault.close()
    }

    @Test(.ofFiles) func `a copy elsewhere says nothing to it`() async throws {
        let log = try await Witnessed()
        try await log.add()
        await log.vault.close()
        try log.copy(log.test.path, log.test.directory + "/copy")
        let requests = log.witness.requests.count
        let copy = try await Witnessed.open(log.test.directory + "/copy", log.test, log.witness)
        try await copy.anchors.publishCheckpoint(isForced: true)
        #expect(try await copy.anchors.list().map(\.trouble) == ["moved"])
        #expect(try await copy.log.verify().notes.count == 1)
        #expect(log.witness.requests.count == requests)
        await copy.close()
    }

    @Test(.ofFiles) func `a new key of the log is trusted once the witness has it`() async throws {
        let log = try await Witnessed()
        try await log.add()
        _ = try await log.vault.keys.rotate(.log)
        // The head that announces it is signed by both.
        #expect(try await log.trouble() == nil)
        try await log.grow(1)
        #expect(try await log.trouble() == "untrusted")
        try log.witness.trust(log.vault.log.verifierKey)
        #expect(try await log.trouble() == nil)
        await log.vault.close()
    }

    @Test(.ofFiles) func `it is spared: at most one checkpoint in five seconds`() async throws {
        let log = try await Witnessed()
        try await log.add()
        for _ in 0..<4 {
            try await log.grow(1)
            try await log.vault.anchors.publishCheckpoint()
        }
        #expect(log.witness.requests.count == 1)
        log.test.clock.advance(by: .seconds(6))
        try await log.vault.anchors.publishCheckpoint()
        #expect(log.witness.requests.count == 2)
        #expect(try await log.vault.anchors.list().map(\.lag) == [0])
        await log.vault.close()
    }
}
