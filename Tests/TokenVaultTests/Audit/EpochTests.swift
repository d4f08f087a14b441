import Foundation
import MerkleLog
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto

@Suite(.bounded)
struct `Keys in memory seal the log: a thief of everything that is stored cannot sign yesterday anew` {
    /// An hour and a bit of a service.
    private func hour(_ test: TestVault, _ party: Party) async throws {
        _ = try await party.begin()
        test.clock.advance(.seconds(3700))
        try await test.vault.beginLogEpoch()
    }

    private func lines(_ note: String) throws -> [String] {
        try #require(note.components(separatedBy: "\n\n").last).split(separator: "\n").map(String.init)
    }

    @Test func `each hour another key signs beside the log's own, and the one before seals`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        #expect(try lines(test.vault.auditCheckpoint()).count == 1)
        try await test.vault.beginLogEpoch()
        let second = try lines(test.vault.auditCheckpoint()).last
        for _ in 0..<3 { try await hour(test, party) }
        let sealed = try await test.vault.verifyAudit()
        #expect(sealed.isIntact && sealed.notes.isEmpty, "\(sealed.findings) \(sealed.notes)")
        #expect(sealed.sealed.upperBound == sealed.size - 1)
        _ = try await party.begin()
        #expect(try lines(test.vault.auditCheckpoint()).count == 2)
        #expect(try lines(test.vault.auditCheckpoint()).last != second)
        #expect(try sqlite(test.path, "SELECT count(*) FROM log_epochs") == "1")
        #expect(try test.vault.keyInventory().contains { $0.purpose == "log_epoch" && $0.count == 1 })
        await test.vault.close()

        let vault = try await test.reopen()
        let report = try await vault.verifyAudit()
        #expect(report.isIntact && report.notes.isEmpty)
        // The entries of the end and of this opening came after.
        #expect(report.sealed.upperBound == report.size - 2)
        #expect(try lines(vault.auditCheckpoint()).count == 1)
        #expect(try sqlite(test.path, "SELECT count(*) FROM log_epochs") == "0")
        await vault.close()
    }

    @Test func `two services seal each for itself, and a rotation of the log's key changes nothing`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await test.reopen()
        for _ in 0..<3 {
            try await test.vault.beginLogEpoch()
            try await other.beginLogEpoch()
            _ = try await party.begin()
            test.clock.advance(.seconds(3600))
        }
        _ = try await test.vault.rotateSystemKey(.log)
        #expect(try lines(test.vault.auditCheckpoint()).count == 3)
        try await other.beginLogEpoch()
        await other.close()
        try await test.vault.beginLogEpoch()
        test.clock.advance(.seconds(86400))
        try await test.vault.endLogEpoch()
        let report = try await test.vault.verifyAudit()
        #expect(report.isIntact && report.notes.isEmpty, "\(report.findings) \(report.notes)")
        #expect(report.sealed.upperBound == report.size - 1)
    }

    @Test func `a service that was killed is noted once its hour is long over`() async throws {
        let test = try await TestVault()
        let killed = try await test.reopen()
        try await killed.beginLogEpoch()
        let announced = try test.vault.auditSize() - 1
        try await test.vault.beginLogEpoch()
        for _ in 0..<3 {
            #expect(try await test.vault.verifyAudit().notes.isEmpty)
            test.clock.advance(.seconds(3600))
            try await test.vault.beginLogEpoch()
        }
        let report = try await test.vault.verifyAudit()
        #expect(report.isIntact)
        #expect(
            report.notes.count == 1 && report.notes[0].contains("by entry \(announced):"), "\(report.notes)")
        #expect(try sqlite(test.path, "SELECT count(*) FROM log_epochs") == "1")
        // It was not killed after all: what it seals still fits.
        await killed.close()
        #expect(try await test.vault.verifyAudit().notes.isEmpty)
    }

    @Test func `sealed entries that were pruned are not asked for`() async throws {
        let log = try await Log(entries: 300)
        try await log.vault.beginLogEpoch()
        try await log.grow(300)
        try await log.vault.beginLogEpoch()
        try await log.grow(300)
        _ = try await log.vault.prune(log.vault.planPrune(keeping: .newest(200)))
        let report = try await log.vault.verifyAudit()
        #expect(report.firstKept > 256 && report.isIntact, "\(report.findings)")
    }

    @Test func `an entry written anew, and everything signed anew with every key there is`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try await test.vault.beginLogEpoch()
        for _ in 0..<2 { try await hour(test, party) }
        let (vkey, size) = (test.vault.logVerifierKey, try test.vault.auditSize())
        await test.vault.close()
        let thief = try Thief(of: test)
        // The tools of the thief work: what nobody sealed can be another.
        try thief.rewrite(size) { $0.replacing("\"out\":\"ok\"", with: "\"out\":\"replayed\"") }
        #expect(try await Vault.inspect(test.path, verifierKey: vkey).isIntact)
        try thief.rewrite(size - 3) { $0.replacing("\"out\":\"ok\"", with: "\"out\":\"replayed\"") }
        let report = try await Vault.inspect(test.path, verifierKey: vkey)
        #expect(report.places.contains { $0.hasPrefix("entry ") }, "\(report.findings)")
        #expect(
            report.findings.allSatisfy { $0.problem.contains("seal of a key that is gone") },
            "\(report.findings)")
    }

    @Test func `a seal holds for its entries, its key and its size: nothing else passes for it`() async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try await test.vault.beginLogEpoch()
        _ = try await party.begin()
        // Published while the key signed: its line is no seal.
        let published = try lines(test.vault.auditCheckpoint())
        let line = try #require(published.last?.split(separator: " ").last)
        let size = try test.vault.auditSize()
        for _ in 0..<2 { try await hour(test, party) }
        let (vkey, last) = (test.vault.logVerifierKey, try test.vault.auditSize() - 1)
        await test.vault.close()
        let thief = try Thief(of: test)
        let entries = try sqlite(
            test.path, "SELECT id FROM audit_leaves WHERE CAST(bytes AS TEXT) LIKE '%log.epoch%'")
        let sealed = try #require(entries.split(separator: "\n").dropFirst().first.flatMap { Int64($0) })
        #expect(sealed < last)
        let stranger = try #require(NoteSigner(name: "a", key: .generate())).key.publicKey
        for change: (String) -> String in [
            // Another key follows: the thief's own.
            {
                $0.replacing(/"key":"([^+]*)\+[0-9a-f]+\+[^"]*"/) { match in
                    "\"key\":\"\(NoteKey(name: String(match.1), publicKey: stranger)?.vkey ?? "")\""
                }
            },
            { $0.replacing(/"key":"[^"]*",/, with: "") },
            {
                $0.replacing(/"seal":"[^"]*"/, with: "\"seal\":\"\(line)\"").replacing(
                    /"count":\d+/, with: "\"count\":\(size)")
            },
            { $0.replacing(/"count":\d+/, with: "\"count\":1") },
            {
                $0.replacing(
                    /"seal":"[^"]*"/, with: "\"seal\":\"\(Base64.encode([UInt8](repeating: 7, count: 68)))\"")
            },
        ] {
            let honest = try test.bytes(test.path)
            try thief.rewrite(sealed, change)
            let report = try await Vault.inspect(test.path, verifierKey: vkey)
            #expect(report.places.contains("entry \(sealed)"), "\(report.findings)")
            try Data(honest).write(to: URL(fileURLWithPath: test.path))
        }
        #expect(try await Vault.inspect(test.path, verifierKey: vkey).isIntact)
    }

    @Test func `a restore ends the key of a service that was backed up, and that is said`() async throws {
        let test = try await TestVault()
        try await test.vault.beginLogEpoch()
        let kept = try await test.backUp()
        test.clock.advance(.seconds(86400))
        _ = try await test.restore(kept).apply()
        let vault = try await test.open()
        #expect(try sqlite(test.directory + "/restored", "SELECT count(*) FROM log_epochs") == "0")
        try await vault.beginLogEpoch()
        test.clock.advance(.seconds(86400))
        try await vault.beginLogEpoch()
        let report = try await vault.verifyAudit()
        #expect(report.isIntact && report.notes.count == 1, "\(report.findings) \(report.notes)")
        #expect(report.notes.first?.contains("running service") == true)
        #expect(report.sealed.upperBound == report.size - 1)
        await vault.close()
    }

    @Test func `two loops of one process keep one chain`() async throws {
        let test = try await TestVault()
        for _ in 0..<4 {
            async let first: Void = test.vault.beginLogEpoch()
            async let second: Void = test.vault.beginLogEpoch()
            _ = try await (first, second)
            test.clock.advance(.seconds(3600))
        }
        async let first: Void = test.vault.endLogEpoch()
        async let second: Void = test.vault.endLogEpoch()
        _ = try await (first, second)
        test.clock.advance(.seconds(86400))
        _ = try await Party(test.vault)
        let report = try await test.vault.verifyAudit()
        #expect(report.isIntact && report.notes.isEmpty, "\(report.findings) \(report.notes)")
        #expect(report.sealed.lowerBound == 2)
    }

    @Test func `another past without the seals: the key that never sealed is noted`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try await test.vault.beginLogEpoch()
        let announced = try test.vault.auditSize() - 1
        let fork = test.directory + "/fork"
        _ = try sqlite(test.path, "VACUUM INTO '\(fork)'")
        for _ in 0..<3 { try await hour(test, party) }
        await test.vault.close()
        // The thief goes on from the morning, with clocks set back, as if a service had been killed then.
        let clock = TestClock(test.clock.now().millisecondsSince1970 - 3 * 3_700_000)
        _ = chmod(fork, 0o600)
        let forged = try await Vault.open(
            at: fork, unlockedBy: .keyFile(path: test.keyFile), options: VaultOptions(clock: clock))
        for _ in 0..<4 {
            try await forged.beginLogEpoch()
            clock.advance(.seconds(3600))
        }
        let report = try await forged.verifyAudit()
        #expect(report.isIntact && report.notes.count == 1)
        #expect(report.notes.first?.contains("entry \(announced)") == true, "\(report.notes)")
        await forged.close()
    }

    @Test func `a second signature that is another's`() async throws {
        let test = try await TestVault()
        try await test.vault.beginLogEpoch()
        _ = try await Party(test.vault)
        let vkey = test.vault.logVerifierKey
        let line = try #require(lines(test.vault.auditCheckpoint()).last)
        let signature = try #require(line.split(separator: " ").last)
        let octets = try #require(Base64.decode(signature.utf8))
        let wrong = Base64.encode(octets.dropLast() + [octets[67] ^ 1])
        _ = try sqlite(test.path, "UPDATE audit_head SET note = replace(note, '\(signature)', '\(wrong)')")
        let report = try await Vault.inspect(test.path, verifierKey: vkey)
        #expect(report.places == ["head"] && report.findings[0].problem.contains("second signature"))
    }
}

/// Has the file, the key file and our formats; not what was in the memory of a service.
private struct Thief {
    private let path: String
    private let signer: NoteSigner

    init(of test: TestVault) throws {
        path = test.path
        func column(_ sql: String) throws -> [UInt8] {
            try #require(Hex.decode(Substring(sqlite(test.path, "SELECT lower(hex((\(sql))))"))))
        }
        let vault = try #require(VaultID(bytes: column("SELECT vault_id FROM vault")))
        let slot = KeyslotRecord(
            id: try column("SELECT slot_id FROM keyslots"), kind: .keyFile, epoch: 1,
            parameters: try column("SELECT parameters FROM keyslots"),
            wrapped: try column("SELECT wrapped FROM keyslots"))
        let root = try Keyslot.open(slot, with: .keyFile(path: test.keyFile), vault: vault)
        let row = try #require(Int64(sqlite(test.path, "SELECT id FROM system_keys WHERE purpose = 5")))
        let seed = try KeyWrap.unwrap(
            column("SELECT wrapped FROM system_keys WHERE purpose = 5"), with: root, epoch: 1,
            for: AssociatedData(
                domain: "tokenvault.wrap", vault: vault, owner: .system, table: 2, column: 5, row: row,
                generation: 0))
        let origin = try sqlite(
            test.path, "SELECT substr(note, 1, instr(note, char(10)) - 1) FROM audit_head")
        signer = try #require(NoteSigner(name: origin, key: SigningKey(seed: seed)))
    }

    /// Changes one entry and makes everything over it anew; of a log of less than one tile.
    func rewrite(_ index: Int64, _ change: (String) -> String) throws {
        let leaves = try sqlite(path, "SELECT CAST(bytes AS TEXT) FROM audit_leaves ORDER BY id").split(
            separator: "\n")
        var edge = RightEdge()
        var statements: [String] = []
        for (position, leaf) in leaves.enumerated() {
            let text = position == Int(index) ? change(String(leaf)) : String(leaf)
            let bytes = Array(text.utf8)
            let hash = MerkleHash.leaf(bytes)
            _ = edge.append(hash)
            statements.append(
                "UPDATE audit_leaves SET bytes = X'\(Hex.encode(bytes))', hash = X'\(Hex.encode(hash.bytes))' WHERE id = \(position);"
            )
        }
        let note = try signer.sign(
            Checkpoint(origin: signer.key.name, size: edge.size, root: edge.root).body)
        statements.append(
            """
            UPDATE audit_head SET root = X'\(Hex.encode(edge.root.bytes))', edge = X'\(Hex.encode(edge.bytes))',
            note = CAST(X'\(Hex.encode(Array(note.utf8)))' AS TEXT);
            """)
        _ = try sqlite(path, statements.joined())
    }
}
