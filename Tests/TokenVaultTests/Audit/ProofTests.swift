import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Outsiders check the log with its public key alone` {
    @Test func `every entry is proved, in the newest checkpoint and in older ones`() async throws {
        let log = try await Log(entries: 520)
        let size = try await log.vault.auditSize()
        for index in [0, 1, 255, 256, 300, size - 1] {
            let verdict = try AuditProof.check(try await log.proof(of: index), verifierKey: log.vkey)
            let leaf = try await log.vault.log.entry(index).leaf
            #expect(verdict.claim == .inclusion(index: index, leaf: leaf))
            #expect(verdict.size == size && verdict.root.count == 64)
            #expect(verdict.origin == "tokenvault/\(log.vault.id)")
        }
        for older in [1, 200, 256, 257, 511, size - 1] {
            let verdict = try AuditProof.check(try await log.proof(of: 0, size: older), verifierKey: log.vkey)
            #expect(verdict.size == older)
        }
        await #expect(throws: VaultError(.notFound, "")) { try await log.proof(of: size) }
        await #expect(throws: VaultError(.notFound, "")) { try await log.proof(of: -1) }
        await #expect(throws: VaultError(.notFound, "")) { try await log.proof(of: 300, size: 300) }
        for size in [0, -1, size + 1, .max] {
            await #expect(throws: VaultError(.invalidInput, "")) { try await log.proof(of: 0, size: size) }
        }
    }

    @Test func `an older checkpoint is shown to be the beginning`() async throws {
        let log = try await Log(entries: 10)
        for size in [10, 100, 255, 256, 300] {
            try await log.grow(max(0, size - Int(try await log.vault.auditSize())))
            let old = Array(try await log.checkpoint().utf8)
            try await log.grow(3)
            let proof = Array(try await log.vault.log.consistencyProof(from: old).text.utf8)
            let verdict = try AuditProof.check(proof, verifierKey: log.vkey, old: old)
            #expect(verdict.claim == .consistency(old: try await log.vault.auditSize() - 3))
            #expect(throws: VaultError(.invalidInput, "")) {
                try AuditProof.check(proof, verifierKey: log.vkey)
            }
        }
        let newest = Array(try await log.checkpoint().utf8)
        _ = try AuditProof.check(
            Array(try await log.vault.log.consistencyProof(from: newest).text.utf8), verifierKey: log.vkey,
            old: newest)
    }

    @Test func `a proof is believed for its own entry, key and checkpoint only`() async throws {
        let log = try await Log(entries: 20)
        let other = try await Log(entries: 20)
        let proof = try await log.proof(of: 7)
        let leaf = try await log.vault.log.entry(7).leaf
        _ = try AuditProof.check(proof, verifierKey: log.vkey, leaf: leaf)
        for wrong in [leaf + [10], Array(leaf.dropLast()), try await log.vault.log.entry(8).leaf, []] {
            #expect(throws: VaultError(.integrity, "")) {
                try AuditProof.check(proof, verifierKey: log.vkey, leaf: wrong)
            }
        }
        #expect(throws: VaultError(.integrity, "")) { try AuditProof.check(proof, verifierKey: other.vkey) }
        #expect(throws: VaultError(.invalidInput, "")) { try AuditProof.check(proof, verifierKey: "nothing") }
        let spoilt = try await log.vault.log.proof(of: 7).text.replacing("index 7", with: "index 6")
        #expect(throws: VaultError(.integrity, "")) {
            try AuditProof.check(Array(spoilt.utf8), verifierKey: log.vkey)
        }
        let foreign = Array(try await other.checkpoint().utf8)
        await #expect(throws: VaultError(.integrity, "")) {
            try await log.vault.log.consistencyProof(from: foreign)
        }
    }

    @Test(.withSQL) func `a damaged log gives no proof`() async throws {
        let log = try await Log(entries: 300)
        try log.test.sql(
            "UPDATE audit_leaves SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"ok\"', '\"no\"') AS BLOB) WHERE id = 280"
        )
        await #expect(throws: VaultError(.integrity, "")) { try await log.proof(of: 280) }
        await #expect(throws: VaultError(.integrity, "")) { try await log.proof(of: 281) }
        try log.test.sql("UPDATE audit_tiles SET hash = zeroblob(32)")
        await #expect(throws: VaultError(.integrity, "")) { try await log.proof(of: 280, size: 299) }
    }

    @Test(.ofFiles) func `a restored older copy is behind the checkpoint`() async throws {
        let log = try await Log(entries: 10)
        let copy = log.test.directory + "/old"
        _ = try sqlite(log.test.path, "VACUUM INTO '\(copy)'")
        #expect(chmod(copy, 0o600) == 0)
        try await log.grow(10)
        let newest = try await log.checkpoint()
        await log.vault.close()
        let report = try await VaultLog.verify(at: copy, verifierKey: log.vkey, since: newest)
        #expect(report.places == ["head"])
        #expect(try await VaultLog.verify(at: copy, verifierKey: log.vkey).isIntact)
    }
}
