import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `Keys are rotated while services run` {
    /// A vault with users and a grant, and a second handle on it as a service would have.
    struct Stage {
        let test: TestVault
        let party: Party
        let service: Vault

        init(users: Int = 60) async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            for number in 0..<users { _ = try await test.vault.users.add("user \(number)") }
            service = try await test.reopen()
        }

        var vault: Vault { test.vault }

        func expectIntact() async throws {
            let report = try await vault.log.verify()
            #expect(report.findings.isEmpty, "\(report.findings)")
        }
    }

    @Test func `the root key: every key is wrapped anew, the old one is gone, and the service never notices`()
        async throws
    {
        let stage = try await Stage()
        let tokens = try await stage.party.begin()
        #expect(try await stage.service.validate(tokens.pair.accessToken) != nil)

        let report = try await stage.vault.keys.rotateRoot()
        #expect(report.epoch == 2)
        // An owner has a key under each role that sealed something for it.
        #expect(report.rewritten == 66)
        #expect(!report.isResumed)
        #expect(try await stage.vault.keys.inventory().filter { $0.state == "retired" }.isEmpty)

        let later = try #require(await stage.party.refresh(tokens.refreshToken, in: stage.service).issued)
        #expect(try await stage.service.validate(later.pair.accessToken) != nil)
        #expect(try await stage.service.users.find("user 17").name == "user 17")
        _ = try await stage.service.users.add("new")
        #expect(try await stage.vault.users.find("new").name == "new")
        try await stage.expectIntact()
        let again = try await stage.test.reopen()
        #expect(try await again.users.list().count == 62)
    }

    @Test(.ofFiles, arguments: SystemKeyKind.allCases)
    func `a system key: what was made before still works, here and in the service`(_ kind: SystemKeyKind)
        async throws
    {
        let stage = try await Stage(users: 30)
        let tokens = try await stage.party.begin()
        let vkey = stage.vault.log.verifierKey
        for round in 1...2 {
            _ = try await stage.vault.keys.rotate(kind)
            #expect(try await stage.service.validate(tokens.pair.accessToken) != nil, "round \(round)")
            let begun = try await stage.party.begin()
            #expect(try await stage.service.validate(begun.pair.accessToken) != nil, "round \(round)")
            #expect(try await stage.service.users.find("user 7").name == "user 7")
            #expect(try await stage.service.clients.find("app").clientID == stage.party.client.clientID)
            try await stage.expectIntact()
        }
        let next = try #require(await stage.party.refresh(tokens.refreshToken, in: stage.service).issued)
        #expect(try await stage.vault.validate(next.pair.accessToken) != nil)
        #expect((stage.vault.log.verifierKey == vkey) == (kind != .log))
        // With the key that tags rows goes the one that sums them up.
        let sums = try sqlite(
            stage.test.path, "SELECT group_concat(key_id) FROM system_keys WHERE purpose = 6")
        #expect(sums == (kind == .rows ? "3" : "1"))
        let again = try await stage.test.reopen()
        #expect(try await again.validate(next.pair.accessToken) != nil)
    }

    @Test(.ofFiles) func `deep: every key is another one, and everything still opens`() async throws {
        let stage = try await Stage(users: 30)
        let tokens = try await stage.party.begin()
        let source = KeySource.keyFile(path: stage.test.keyFile)
        let before = try sqlite(stage.test.path, "SELECT group_concat(hex(wrapped)) FROM system_keys")
        let report = try await stage.vault.keys.rotateDeeply(openedBy: source)
        #expect(report.epoch == 2)
        #expect(try sqlite(stage.test.path, "SELECT count(*) FROM owner_keys WHERE version != 2") == "0")
        #expect(try sqlite(stage.test.path, "SELECT count(previous_version) FROM owner_keys") == "0")
        #expect(try sqlite(stage.test.path, "SELECT count(*) FROM role_keys WHERE state = 2") == "0")
        #expect(try sqlite(stage.test.path, "SELECT count(*) FROM jobs") == "0")
        #expect(try sqlite(stage.test.path, "SELECT group_concat(hex(wrapped)) FROM system_keys") != before)
        let later = try #require(await stage.party.refresh(tokens.refreshToken, in: stage.service).issued)
        #expect(try await stage.vault.validate(later.pair.accessToken) != nil)
        #expect(try await stage.service.users.find("user 7").name == "user 7")
        try await stage.expectIntact()
        _ = try await stage.test.reopen()
    }

    @Test(.ofFiles)
    func `a keyslot added while a deep rotation makes the others anew is not taken along: it is refused`()
        async throws
    {
        let stage = try await Stage(users: 3)
        let (directory, other) = (stage.test.directory, stage.test.directory + "/other")
        try Vault.createKeyFile(at: other)
        let slow = try slowProgram(in: directory)
        _ = try await stage.vault.keys.addSlot(named: "slow", unlockedBy: slow)
        let files = FileManager.default
        #expect(files.createFile(atPath: directory + "/armed", contents: nil))
        let kept = KeySource.keyFile(path: stage.test.keyFile)
        let rotating = Task {
            await result { try await stage.vault.keys.rotateDeeply(openedBy: kept, others: [slow]) }
        }
        while !files.fileExists(atPath: directory + "/waiting") { await Task.yield() }
        // It has read which slots there are, and is making this one anew.
        _ = try await stage.service.keys.addSlot(named: "late", unlockedBy: .keyFile(path: other))
        try #require(FileHandle(forWritingAtPath: directory + "/go")).close()
        let failure = await rotating.value
        #expect(failure?.code == .denied)
        #expect(failure?.message.hasSuffix("no given key opens: late.") == true, "\(failure?.message ?? "")")
        #expect(
            try sqlite(stage.test.path, "SELECT key_epoch, (SELECT count(*) FROM jobs) FROM vault") == "1|0")
        let all = [slow, .keyFile(path: other)]
        #expect(try await stage.vault.keys.rotateDeeply(openedBy: kept, others: all).epoch == 2)
        try await stage.expectIntact()
    }

    /// Wraps when it is told to, once it is armed.
    private func slowProgram(in directory: String) throws -> KeySource {
        let path = directory + "/program"
        try Data(
            """
            #!/usr/bin/env python3
            import json, os, sys
            place = "\(directory)/"
            question = json.load(sys.stdin)
            wraps = question["op"] == "wrap"
            if wraps and os.path.exists(place + "armed"):
                os.remove(place + "armed")
                os.mkfifo(place + "go")
                open(place + "waiting", "w").close()
                open(place + "go").read()
            print(json.dumps({"blob" if wraps else "key": question["key" if wraps else "blob"]}))
            """.utf8
        ).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        return .program(try KeyProgram(path: path))
    }

    @Test func `rehearsed: what would be done is said, every slot is reached, and nothing is written`()
        async throws
    {
        let stage = try await Stage(users: 20)
        let (kept, other) = (KeySource.keyFile(path: stage.test.keyFile), stage.test.directory + "/other")
        try Vault.createKeyFile(at: other)
        _ = try await stage.vault.keys.addSlot(named: "other", unlockedBy: .keyFile(path: other))
        let path = stage.test.path
        func state() throws -> String { try sqlite(path, ".dump") }
        let before = try state()
        let root = try await stage.vault.keys.planRootRotation(openedBy: kept)
        #expect(root.slots.map(\.reach) == [.held, .held])
        #expect(root.owners == 25 && root.refusal == nil && !root.isResuming)
        let short = try await stage.vault.keys.planDeepRotation(openedBy: kept)
        #expect(short.slots.map(\.reach) == [.given, .missing])
        #expect(short.refusal?.code == .denied && short.refusal?.message.contains("other") == true)
        let whole = try await stage.vault.keys.planDeepRotation(
            openedBy: kept, others: [.keyFile(path: other)])
        #expect(whole.isReachable && whole.records > 20)
        for kind in SystemKeyKind.allCases {
            #expect(try await stage.vault.keys.planRotation(kind).kind == kind.rawValue)
        }
        #expect(try state() == before)
        #expect(try await stage.vault.keys.rotateRoot().rewritten == root.owners)
    }

    @Test func `an old token in the wrong hands is recognised after two more keys for tokens, and revokes`()
        async throws
    {
        let stage = try await Stage(users: 1)
        let first = try await stage.party.begin()
        stage.test.clock.advance(by: .seconds(5))
        _ = try await stage.vault.keys.rotate(.handles)
        stage.test.clock.advance(by: .seconds(5))
        let second = try #require(await stage.party.refresh(first.refreshToken).issued)
        _ = try await stage.vault.keys.rotate(.handles)
        // The answer was lost: the same request again has the same answer, though the key of its token was replaced twice.
        let again = try #require(await stage.party.refresh(first.refreshToken, in: stage.service).replayed)
        #expect(try again.refreshToken.withExposed { $0 } == second.refreshToken.withExposed { $0 })
        stage.test.clock.advance(by: .seconds(5))
        _ = try #require(await stage.party.refresh(second.refreshToken).issued)
        _ = try await stage.vault.keys.rotate(.handles)
        guard case .refused(let reason) = try await stage.party.refresh(first.refreshToken) else {
            Issue.record("an old token was exchanged")
            return
        }
        #expect(reason == .refreshTokenReused)
    }

    @Test func `a key for tokens is kept for what was made with it, though the clock was set back since`()
        async throws
    {
        let stage = try await Stage(users: 1)
        let first = try await stage.party.begin()
        stage.test.clock.step(.seconds(-3600))
        // Started anew, a process has nothing to see by that the clock was set.
        let again = try await stage.test.reopen()
        for _ in 1...2 {
            _ = try await again.keys.rotate(.handles)
            stage.test.clock.advance(by: .seconds(5))
        }
        #expect(try await stage.party.refresh(first.refreshToken, in: again).issued != nil)
    }

    private func result(_ work: () async throws -> KeyRotationReport) async -> VaultError? {
        do {
            _ = try await work()
            return nil
        } catch { return error as? VaultError ?? VaultError(.internalError, "\(error)") }
    }

    @Test(.ofFiles) func `a rotation that was cut off is taken up where it was`() async throws {
        let stage = try await Stage(users: 200)
        let cut = Task {
            try await stage.vault.keys.rotateRoot { progress in
                if progress.phase == "owners" { withUnsafeCurrentTask { $0?.cancel() } }
            }
        }
        await #expect(throws: CancellationError.self) { try await cut.value }
        #expect(try sqlite(stage.test.path, "SELECT count(*) FROM role_keys WHERE state = 2") == "6")
        // Both ages of keys are in use, by whoever opens it now.
        let between = try await stage.test.reopen()
        #expect(try await between.users.find("user 199").name == "user 199")
        try await stage.expectIntact()
        let report = try await between.keys.rotateRoot()
        #expect(report.isResumed)
        #expect(report.epoch == 2)
        #expect(try sqlite(stage.test.path, "SELECT count(*) FROM role_keys WHERE state = 2") == "0")
        try await stage.expectIntact()
    }

    @Test(.ofFiles) func `an owner whose key does not open keeps the old root key`() async throws {
        let stage = try await Stage(users: 5)
        _ = try sqlite(
            stage.test.path,
            "UPDATE owner_keys SET wrapped = (SELECT wrapped FROM owner_keys WHERE id = 16) WHERE id = 20")
        let failure = await #expect(throws: VaultError.self) { try await stage.vault.keys.rotateRoot() }
        #expect(failure?.code == .integrity)
        #expect(try sqlite(stage.test.path, "SELECT count(*) FROM role_keys WHERE state = 2") == "6")
    }
}

@Suite(.bounded) struct `A user is erased` {
    @Test(.ofFiles) func `key, name and tokens are gone from every file, and every proof stays valid`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault, user: "Zoë Erasmus-Planck")
        let tokens = try await party.begin()
        let wrapped = try sqlite(
            test.path,
            """
            SELECT hex(k.wrapped) FROM owner_keys k JOIN owners o ON o.id = k.owner_id WHERE o.kind = 2 AND k.role = 1
            """)
        let erasure = try await test.vault.users.erase("Zoë Erasmus-Planck")
        #expect(erasure.grants == 1)
        for file in [test.path, test.path + "-wal"] {
            guard let data = FileManager.default.contents(atPath: file) else { continue }
            #expect(data.range(of: Data(hex(wrapped))) == nil, "\(file)")
        }
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
        #expect(try await party.refresh(tokens.refreshToken).issued == nil)
        await #expect(throws: VaultError.self) { try await test.vault.users.find("Zoë Erasmus-Planck") }
        let report = try await test.vault.log.verify()
        #expect(report.findings.isEmpty, "\(report.findings)")
        await #expect(throws: VaultError.self) { try await test.vault.users.erase("Zoë Erasmus-Planck") }
        // The name is free again, and its new bearer inherits nothing.
        _ = try await test.vault.users.add("Zoë Erasmus-Planck")
    }

    @Test(.ofFiles) func `one that was removed before is found by name`() async throws {
        let test = try await TestVault()
        _ = try await test.vault.users.add("bob")
        try await test.vault.users.remove("bob")
        _ = try await test.vault.users.erase("bob")
        #expect(
            try sqlite(test.path, "SELECT count(*) FROM owners WHERE kind = 2 AND identity IS NOT NULL")
                == "0")
        #expect(try await test.vault.log.verify().findings.isEmpty)
    }

    private func hex(_ text: String) -> [UInt8] {
        stride(from: 0, to: text.count, by: 2).compactMap { offset in
            let start = text.index(text.startIndex, offsetBy: offset)
            return UInt8(text[start..<text.index(start, offsetBy: 2)], radix: 16)
        }
    }
}
