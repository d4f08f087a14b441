import Foundation
import MerkleLog
import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A restore believes no log that an old key leads to` {
    @Test(.ofFiles) func `after a root key leaked and all was rotated, a vault built in an old keyslot`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        // The thief opens an old copy, and has new keys in it as he likes.
        let stolen = try copy(test, "stolen")
        _ = try await test.vault.keys.rotateDeeply(openedBy: test.source)
        let kept = try await test.backUp()
        let own = try await test.open("stolen")
        while try signerRow(stolen) <= signerRow(test.path) { _ = try await own.keys.rotate(.log) }
        await own.close()
        let thief = try await forge(test, stolen, size: try await Backup.inspect(kept.data).facts.logSize + 1)
        // What it hides.
        try await test.vault.users.revokeGrants(of: "alice")
        _ = try await party.refresh(tokens.refreshToken)

        var restore = test.restore(kept, newest: .vault(path: stolen))
        let refusal = try await refusal(of: restore)
        #expect(refusal?.message.contains("a keyslot that the backup does not have") == true)
        #expect(refusal?.remedy.contains("verifier key of the log") == true)
        restore.logVerifierKey = test.vault.log.verifierKey
        _ = try await self.refusal(of: restore)
        // But for his key it is a log without a flaw.
        restore.logVerifierKey = thief.key.vkey
        #expect(try await restore.plan().keptGrants == 1)
        // The genuine one needs the key that was noted.
        restore.newest = .vault(path: test.path)
        _ = try await self.refusal(of: restore)
        restore.logVerifierKey = nil
        #expect(try await restore.plan().keptGrants == 0)
    }

    @Test(.ofFiles) func `after the log's key leaked and was rotated, an older vault that still has it`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await party.begin()
        let older = try copy(test, "older")
        _ = try await test.vault.keys.rotate(.log)
        let kept = try await test.backUp()
        _ = try await forge(test, older, size: try await Backup.inspect(kept.data).facts.logSize + 1)
        let refusal = try await refusal(of: test.restore(kept, newest: .vault(path: older)))
        #expect(refusal?.message.contains("older than the backup's") == true)
        // One rotated since is taken at the vault's own word.
        _ = try await test.vault.keys.rotate(.log)
        #expect(try await test.restore(kept, newest: .vault(path: test.path)).plan().keptGrants == 1)
    }

    @Test(.ofFiles) func `a checkpoint of another life, or of the same size and another root, is not passed`()
        async throws
    {
        let test = try await TestVault()
        let checkpoint = test.directory + "/checkpoint"
        let first = try await test.backUp("first")
        let name = try await test.restore(first, to: "sibling").apply().logOrigin
        let sibling = try await test.open("sibling")
        let short = try await sibling.log.checkpoint()
        for number in 0..<20 { _ = try await test.vault.users.add("before \(number)") }
        let kept = try await test.backUp()
        let between = try await test.vault.log.checkpoint()
        for number in 0..<20 { _ = try await test.vault.users.add("after \(number)") }
        let facts = try await (Backup.inspect(first.data).facts, Backup.inspect(kept.data).facts)
        while try await sibling.auditSize() <= facts.1.logSize {
            _ = try await sibling.users.add(UUID().uuidString)
        }
        let long = try await sibling.log.checkpoint()
        await sibling.close()
        let tiles = test.directory + "/tiles"
        _ = try await test.vault.log.exportTiles(to: tiles)
        for source in [NewestLog.vault(path: test.path), .tiles(directory: tiles)] {
            var restore = test.restore(kept, newest: source)
            restore.checkpoint = checkpoint
            // Of before the backup, of the backup, of after it, of the end.
            for note in [
                facts.0.checkpoint, facts.1.checkpoint, between, try await test.vault.log.checkpoint(),
            ] {
                try test.write(Array(note.utf8), to: checkpoint)
                _ = try await restore.plan()
            }
            for note in [short, long] {
                try test.write(Array(note.utf8), to: checkpoint)
                let refusal = try await refusal(of: restore)
                #expect(refusal?.message.contains("does not go through the checkpoint") == true)
            }
            // The same tree under the other life's name, by the same key.
            let signer = try #require(
                NoteSigner(name: name, key: try signingKey(test.path, test)))
            for note in [facts.0.checkpoint, between] {
                let text = try SignedNote.parse(Array(note.utf8)).text
                let tree = try #require(Checkpoint(parsing: text))
                let renamed = Checkpoint(origin: signer.key.name, size: tree.size, root: tree.root)
                try test.write(Array(try signer.sign(renamed.body).utf8), to: checkpoint)
                let refusal = try await refusal(of: restore)
                #expect(refusal?.message.contains("another life") == true)
            }
        }
    }

    @Test func `what a recovery key opens is vouched for by the key that the operator names`() async throws {
        let test = try await TestVault()
        let other = try await TestVault()
        let file = test.directory + "/recovery"
        let passphrase = SecretBytes(copying: "correct horse battery staple")
        _ = try await test.vault.keys.createRecoveryKey(file: file, passphrase: passphrase)
        let kept = try await test.backUp()
        let source = KeySource.recoveryKey(try RecoveryKey(file: file, passphrase: passphrase))
        var restore = test.restore(kept, source: source)
        #expect(try await restore.plan().notes.contains { $0.contains("Nothing shows who made") })
        restore.logVerifierKey = test.vault.log.verifierKey
        #expect(try await !restore.plan().notes.contains { $0.contains("Nothing shows who made") })
        restore.logVerifierKey = other.vault.log.verifierKey
        let refusal = try await refusal(of: restore)
        #expect(refusal?.message.contains("signed neither") == true)
    }
}

// MARK: - What somebody with old keys can do

extension `A restore believes no log that an old key leads to` {
    private func refusal(of restore: VaultRestore) async throws -> VaultError? {
        await #expect(throws: VaultError(.integrity, "")) { try await restore.plan() }
    }

    private func copy(_ test: TestVault, _ name: String) throws -> String {
        let path = test.directory + "/" + name
        _ = try sqlite(test.path, "VACUUM INTO '\(path)'")
        chmod(path, 0o600)
        return path
    }

    private func signerRow(_ path: String) throws -> Int64 {
        let text = try sqlite(path, "SELECT id FROM system_keys WHERE purpose = 5 AND state = 1")
        return try #require(Int64(text))
    }

    /// Puts the genuine log, cut off at a size, in the place of a vault's own, and signs it by that vault's key.
    private func forge(_ test: TestVault, _ path: String, size: Int64) async throws -> NoteSigner {
        var edge = RightEdge()
        for index in 0..<size {
            _ = edge.append(MerkleHash.leaf(try await test.vault.log.entry(index).leaf))
        }
        let signer = try #require(
            NoteSigner(name: "tokenvault/\(test.vault.id)", key: try signingKey(path, test)))
        let checkpoint = Checkpoint(origin: signer.key.name, size: edge.size, root: edge.root)
        let genuine = try copy(test, "genuine-\(UUID().uuidString)")
        _ = try sqlite(
            path,
            """
            ATTACH '\(genuine)' AS genuine;
            DELETE FROM audit_leaves;
            INSERT INTO audit_leaves SELECT * FROM genuine.audit_leaves WHERE id < \(size);
            UPDATE audit_head SET note = '\(try signer.sign(checkpoint.body))';
            """)
        return signer
    }

    /// The key that signs a vault's log, as who can open the vault gets it.
    private func signingKey(_ path: String, _ test: TestVault) throws -> SigningKey {
        func fields(_ sql: String) throws -> [String] {
            try sqlite(path, sql).lowercased().split(separator: "|", omittingEmptySubsequences: false).map(
                String.init)
        }
        let slot = try fields(
            "SELECT hex(slot_id), kind, epoch, hex(parameters), hex(wrapped) FROM keyslots LIMIT 1")
        let record = KeyslotRecord(
            id: try #require(Hex.decode(slot[0])),
            kind: try #require(Int64(slot[1]).flatMap(KeyslotKind.init(rawValue:))),
            epoch: try #require(UInt32(slot[2])), parameters: try #require(Hex.decode(slot[3])),
            wrapped: try #require(Hex.decode(slot[4])))
        let root = try Keyslot.open(record, with: test.source, vault: test.vault.id)
        /// Unwraps what a query finds: the epoch of the wrapping key, the wrap, row and generation of its place.
        func unwrap(
            _ sql: String, with key: GuardedKey, table: UInt16, column: UInt16
        ) throws -> GuardedKey {
            let found = try fields(sql)
            return try KeyWrap.unwrap(
                try #require(Hex.decode(found[1])), with: key, epoch: try #require(UInt32(found[0])),
                for: AssociatedData(
                    domain: "tokenvault.wrap", vault: test.vault.id, owner: .system, table: table,
                    column: column, row: try #require(Int64(found[2])),
                    generation: try #require(UInt64(found[3]))))
        }
        let wraps =
            "SELECT wrapper_epoch, hex(wrapped), role * 4 + wrapper, epoch FROM role_keys WHERE state = 1"
        let issuer = try unwrap(wraps + " AND role = 1", with: root, table: 19, column: 6)
        let common = try unwrap(wraps + " AND role = 0 AND wrapper = 1", with: issuer, table: 19, column: 6)
        return SigningKey(
            seed: try unwrap(
                "SELECT epoch, hex(wrapped), id, 0 FROM system_keys WHERE purpose = 5 AND state = 1",
                with: common, table: 2, column: 5))
    }
}
