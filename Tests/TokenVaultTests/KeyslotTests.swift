import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.serialized, .bounded) struct `Keyslots: every way in is proved, named, and survives a rotation` {
    private static let passphrase = SecretBytes(copying: "correct horse battery staple")

    private func keyFile(_ test: TestVault, _ name: String) throws -> KeySource {
        let path = test.directory + "/" + name
        try Vault.createKeyFile(at: path)
        return .keyFile(path: path)
    }

    /// Turns over what it is given.
    private func program(_ test: TestVault) throws -> KeySource {
        let path = test.directory + "/program"
        try Data(
            """
            #!/usr/bin/env python3
            import base64, json, sys
            question = json.load(sys.stdin)
            turned = lambda text: base64.b64encode(base64.b64decode(text)[::-1]).decode()
            wraps = question["op"] == "wrap"
            print(json.dumps({"blob" if wraps else "key": turned(question["key" if wraps else "blob"])}))
            """.utf8
        ).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        return .program(try KeyProgram(path: path))
    }

    /// The host's own code, which turns over what it is given too.
    private struct Turning: KeyProvider {
        func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] {
            key.withExposed { $0.reversed() }
        }

        func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes {
            SecretBytes(wrapped.reversed())
        }
    }

    @Test(.ofFiles) func `a provider of the host's makes a vault, opens it and rotates it`() async throws {
        let test = try await TestVault()
        let (path, source) = (test.directory + "/other", KeySource.provider(Turning()))
        let vault = try await Vault.create(at: path, unlockedBy: source)
        #expect(try await vault.keys.slots().map(\.kind) == ["program"])
        _ = try await vault.keys.addSlot(named: "cloud", unlockedBy: source)
        _ = try await vault.keys.rotateRoot()
        await vault.close()
        let again = try await Vault.open(at: path, unlockedBy: source)
        #expect(try await again.keys.slots().count == 2)
        #expect(try await again.log.verify().isIntact)
        await again.close()
        let wrong = await refusal { _ = try await Vault.open(at: path, unlockedBy: keyFile(test, "wrong")) }
        #expect(wrong?.code == .locked)
        // A program that unwraps the same opens the same slot.
        await (try Vault.open(at: path, unlockedBy: program(test))).close()
    }

    /// A source of each kind but the credential, which needs an environment, with its slot.
    private func allKinds(_ test: TestVault) async throws -> [KeySource] {
        let vault = test.vault
        let file = test.directory + "/recovery"
        _ = try await vault.keys.createRecoveryKey(file: file, passphrase: Self.passphrase)
        let second = test.directory + "/second"
        try Vault.createKeyFile(at: second)
        let others: [KeySource] = [
            .passphrase(Self.passphrase), try program(test), .keyFile(path: second),
        ]
        for source in others { _ = try await vault.keys.addSlot(unlockedBy: source) }
        return others + [
            .keyFile(path: test.keyFile),
            .recoveryKey(try RecoveryKey(file: file, passphrase: Self.passphrase)),
        ]
    }

    private func refusal(_ body: () async throws -> Void) async -> VaultError? {
        do {
            try await body()
            return nil
        } catch { return error as? VaultError }
    }

    @Test(.ofFiles) func `each kind opens the vault, and the vault says by which slot`() async throws {
        let test = try await TestVault()
        let sources = try await allKinds(test)
        let names = ["passphrase", "program", "key-file", "first", "recovery"]
        #expect(try await Set(test.vault.keys.slots().map(\.name)) == Set(names))
        for (source, name) in zip(sources, names) {
            let vault = try await Vault.open(at: test.path, unlockedBy: source)
            let opened = try await vault.keys.slots().filter(\.isOpened)
            #expect(opened.map(\.name) == [name])
            #expect(opened.allSatisfy { $0.provedAt != nil && $0.isRotatable })
            await vault.close()
        }
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test(.ofFiles) func `a rotation of the root key asks nobody for a key, and all open it afterwards`()
        async throws
    {
        let test = try await TestVault()
        let sources = try await allKinds(test)
        let before = try sqlite(test.path, "SELECT quote(wrapped), quote(parameters) FROM keyslots")
        let names = try await test.vault.keys.rehearseSlotRotation(openedBy: sources)
        #expect(names.count == 5)
        // It was a rehearsal.
        #expect(try sqlite(test.path, "SELECT quote(wrapped), quote(parameters) FROM keyslots") == before)
        for source in sources {
            let vault = try await Vault.open(at: test.path, unlockedBy: source)
            // As a running process that was opened by any of them would go on.
            #expect(try await vault.keys.rehearseSlotRotation().count == 5)
            await vault.close()
        }
    }

    @Test(.ofFiles) func `details that were deleted are damage, and no rotation goes on without them`()
        async throws
    {
        let test = try await TestVault()
        _ = try await test.vault.keys.addSlot(named: "spare", unlockedBy: keyFile(test, "second"))
        _ = try sqlite(test.path, "DELETE FROM keyslot_details WHERE name = 'spare'")
        #expect(await refusal { _ = try await test.vault.keys.slots() }?.code == .integrity)
        #expect(await refusal { _ = try await test.vault.keys.rehearseSlotRotation() }?.code == .integrity)
        #expect(await refusal { _ = try await test.vault.keys.rotateRoot() }?.code == .integrity)
    }

    @Test func `a slot that its holder cannot open does not count`() async throws {
        let test = try await TestVault()
        let (one, other) = (try keyFile(test, "one"), try keyFile(test, "other"))
        let refused = await refusal {
            _ = try await test.vault.keys.addSlot(unlockedBy: one, provedBy: other)
        }
        #expect(refused?.code == .locked)
        #expect(try await test.vault.keys.slots().count == 1)
    }

    @Test(.ofFiles) func `a slot of a kind that is not known is named, and opens nothing`() async throws {
        let test = try await TestVault()
        _ = try sqlite(test.path, "UPDATE keyslots SET kind = 5")
        let refused = await refusal { _ = try await test.reopen() }
        #expect(refused?.code == .locked)
        #expect(refused?.message.contains("one of kind 5, which this version cannot open") == true)
        #expect(await refusal { _ = try await test.vault.keys.slots() }?.code == .integrity)
    }

    @Test func `names are plain and unique, and eight slots are enough`() async throws {
        let test = try await TestVault()
        let source = try keyFile(test, "second")
        for name in ["", "two words", "a/b", "-x", "ü", String(repeating: "n", count: 65)] {
            #expect(
                await refusal { _ = try await test.vault.keys.addSlot(named: name, unlockedBy: source) }?.code
                    == .invalidInput)
        }
        #expect(
            await refusal { _ = try await test.vault.keys.addSlot(named: "first", unlockedBy: source) }?.code
                == .alreadyExists)
        for _ in 0..<7 { _ = try await test.vault.keys.addSlot(unlockedBy: source) }
        #expect(
            try await test.vault.keys.slots().map(\.name).prefix(3) == ["first", "key-file", "key-file-2"])
        #expect(await refusal { _ = try await test.vault.keys.addSlot(unlockedBy: source) }?.code == .denied)
        // One leaf names two rows a slot: they have to fit.
        #expect(try await test.vault.keys.rehearseSlotRotation().count == 8)
    }

    @Test(.ofFiles) func `neither the last slot nor the one in use is removed`() async throws {
        let test = try await TestVault()
        #expect(await refusal { try await test.vault.keys.removeSlot(named: "first") }?.code == .denied)
        let source = try keyFile(test, "second")
        _ = try await test.vault.keys.addSlot(named: "second", unlockedBy: source)
        #expect(await refusal { try await test.vault.keys.removeSlot(named: "first") }?.code == .denied)
        #expect(await refusal { try await test.vault.keys.removeSlot(named: "third") }?.code == .notFound)
        let other = try await Vault.open(at: test.path, unlockedBy: source)
        try await other.keys.removeSlot(named: "first")
        #expect(try await other.keys.slots().map(\.name) == ["second"])
        #expect(await refusal { _ = try await test.reopen() }?.code == .locked)
        #expect(try await other.log.verify().isIntact)
        await other.close()
    }

    @Test(
        .ofFiles,
        arguments: [
            "UPDATE keyslot_details SET name = 'other'", "UPDATE keyslot_details SET held = NULL",
            "UPDATE keyslot_details SET held = zeroblob(112)", "UPDATE keyslot_details SET epoch = 2",
            "UPDATE keyslot_details SET proved_at = 0",
        ])
    func `details edited from outside are refused`(_ sql: String) async throws {
        let test = try await TestVault()
        _ = try sqlite(test.path, sql)
        #expect(await refusal { _ = try await test.vault.keys.slots() }?.code == .integrity)
        #expect(await refusal { _ = try await test.vault.keys.rehearseSlotRotation() }?.code == .integrity)
    }
}

@Suite(.serialized, .bounded) struct `Recovery keys of a vault` {
    private let passphrase = SecretBytes(copying: "correct horse battery staple")

    private func code(_ body: () async throws -> Void) async -> VaultError? {
        do {
            try await body()
            return nil
        } catch { return error as? VaultError }
    }

    @Test func `no file, no slot, and no slot, no file`() async throws {
        let test = try await TestVault()
        let vault = test.vault
        #expect(try await !vault.keys.hasRecoveryKey())
        let taken = test.keyFile
        #expect(
            await code { _ = try await vault.keys.createRecoveryKey(file: taken, passphrase: passphrase) }?
                .code
                == .alreadyExists)
        let file = test.directory + "/recovery"
        #expect(
            await code {
                _ = try await vault.keys.createRecoveryKey(named: "first", file: file, passphrase: passphrase)
            }?.code
                == .alreadyExists)
        #expect(!FileManager.default.fileExists(atPath: file))
        #expect(try await vault.keys.slots().count == 1)
        _ = try await vault.keys.createRecoveryKey(file: file, passphrase: passphrase)
        #expect(try await vault.keys.hasRecoveryKey())
        let wrong = await code { _ = try RecoveryKey(file: file, passphrase: SecretBytes(copying: "other")) }
        #expect(wrong?.code == .locked)
    }

    @Test(.ofFiles) func `the key of another vault is told from a lost slot`() async throws {
        let (test, other) = (try await TestVault(), try await TestVault())
        let file = other.directory + "/recovery"
        _ = try await other.vault.keys.createRecoveryKey(file: file, passphrase: passphrase)
        let key = try RecoveryKey(file: file, passphrase: passphrase)
        let refused = await code { _ = try await Vault.open(at: test.path, unlockedBy: .recoveryKey(key)) }
        #expect(refused?.code == .locked)
        #expect(refused?.message.contains(other.vault.id.description) == true)
    }
}
