import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenKeeper
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A restore removes keyslots again, and goes on after any rotation` {
    private func keyFile(_ test: TestVault, _ name: String) throws -> KeySource {
        let path = test.directory + "/" + name
        try Vault.createKeyFile(at: path)
        return .keyFile(path: path)
    }

    private func open(_ test: TestVault, _ source: KeySource, _ name: String = "restored") async throws
        -> Vault
    {
        try await Vault.open(
            at: test.directory + "/" + name, unlockedBy: source,
            configuration: VaultConfiguration.anchored(clock: test.clock))
    }

    @Test(.ofFiles)
    func `a slot removed since opens the restored vault no more, even if it opened the backup`()
        async throws
    {
        let test = try await TestVault()
        let spare = try keyFile(test, "spare")
        _ = try await test.vault.keys.addSlot(named: "spare", unlockedBy: spare)
        let kept = try await test.backUp()
        try await test.vault.keys.removeSlot(named: "spare")
        for source in [test.source, spare] {
            let restore = test.restore(kept, newest: .vault(path: test.path), source: source)
            let plan = try await restore.plan()
            #expect(plan.moved.map(\.kind) == ["keyslot"])
            _ = try await restore.apply()
            await #expect(throws: VaultError(.locked, "")) { try await open(test, spare) }
            let vault = try await open(test, test.source)
            #expect(try await vault.keys.slots().count == 1)
            #expect(try await vault.log.verify().isIntact)
            await vault.close()
            try FileManager.default.removeItem(atPath: test.directory + "/restored")
        }
        // Nobody knows of it without the log.
        _ = try await test.restore(kept, source: spare).apply()
        await (try open(test, spare)).close()
    }

    @Test(.ofFiles) func `the last way in is kept, and the plan says so`() async throws {
        let test = try await TestVault()
        let (spare, later) = (try keyFile(test, "spare"), try keyFile(test, "later"))
        _ = try await test.vault.keys.addSlot(named: "spare", unlockedBy: spare)
        let kept = try await test.backUp()
        _ = try await test.vault.keys.addSlot(named: "later", unlockedBy: later)
        try await test.vault.keys.removeSlot(named: "spare")
        let other = try await open(test, later, "vault")
        let first = try #require(try await other.keys.slots().first { $0.name != "later" })
        try await other.keys.removeSlot(named: first.name)
        await other.close()
        let restore = test.restore(kept, newest: .vault(path: test.path), source: spare)
        let plan = try await restore.plan()
        #expect(plan.notes.contains { $0.contains("Every keyslot of the backup was removed since") })
        #expect(plan.lost("keyslot").count == 1)
        _ = try await restore.apply()
        let vault = try await open(test, spare)
        #expect(try await vault.keys.slots().map(\.name) == ["spare"])
        #expect(try await vault.log.verify().isIntact)
        // What the note advises works.
        _ = try await vault.keys.addSlot(named: "new", unlockedBy: later)
        await vault.close()
        let next = try await open(test, later)
        try await next.keys.removeSlot(named: "spare")
        await next.close()
        for closed in [spare, test.source] {
            await #expect(throws: VaultError(.locked, "")) { try await open(test, closed) }
        }
    }

    @Test(.ofFiles) func `a slot of newer keys opens the vault that it restored`() async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        let later = try keyFile(test, "later")
        _ = try await test.vault.keys.addSlot(named: "later", unlockedBy: later)
        let newer = TestVault.Kept(data: kept.data, keys: try await test.backUp("newer").keys)
        let restore = test.restore(newer, newest: .vault(path: test.path), source: later)
        #expect(try await restore.plan().notes.contains { $0.contains("was added after it") })
        _ = try await restore.apply()
        let vault = try await open(test, later)
        #expect(try await vault.keys.slots().count == 2)
        // Rotations need the key of every slot once.
        _ = try await vault.keys.proveOpenedSlot()
        await vault.close()
        await (try open(test, test.source)).close()
    }

    @Test(.ofFiles, arguments: ["root", "deep", "handles", "tags", "lookup", "rows", "log"])
    func `keys rotated since: untouched grants go on, moved ones end, and it rotates again`(_ kind: String)
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let (still, moved) = (try await party.begin(), try await party.begin())
        let kept = try await test.backUp()
        func rotate(_ vault: Vault) async throws {
            switch kind {
            case "root": _ = try await vault.keys.rotateRoot()
            case "deep": _ = try await vault.keys.rotateDeeply(openedBy: test.source)
            default: _ = try await vault.keys.rotate(try #require(SystemKeyKind(rawValue: kind)))
            }
        }
        try await rotate(test.vault)
        let newest = try #require(await party.refresh(moved.refreshToken).issued)
        // Whoever opens the newest vault by a slot of the backup has the key that signs its log; an export comes without.
        let tiles = test.directory + "/tiles"
        _ = try await test.vault.log.exportTiles(to: tiles)
        var restore = test.restore(kept, newest: .vault(path: test.path))
        var exported = test.restore(kept, newest: .tiles(directory: tiles))
        if ["log", "deep"].contains(kind) {
            let unproven = exported
            let refusal = await #expect(throws: VaultError(.integrity, "")) { try await unproven.plan() }
            #expect(refusal?.remedy.contains("verifier key of the log") == true)
            exported.logVerifierKey = test.vault.log.verifierKey
        }
        if kind == "deep" {
            let unvouched = restore
            let refusal = await #expect(throws: VaultError(.integrity, "")) { try await unvouched.plan() }
            #expect(refusal?.message.contains("a keyslot that the backup does not have") == true)
            #expect(refusal?.remedy.contains("verifier key of the log") == true)
            restore.logVerifierKey = test.vault.log.verifierKey
        }
        #expect(try await exported.plan().moved("grant").map(\.id) == [moved.grant.rawValue])
        let plan = try await restore.plan()
        #expect(plan.moved("grant").map(\.id) == [moved.grant.rawValue] && plan.keptGrants == 1)
        #expect(plan.moved.map(\.kind) == ["grant"], "\(plan.moved)")
        #expect(plan.notes.contains { $0.contains("rotate again") && $0.contains(kind) }, "\(plan.notes)")
        _ = try await restore.apply()
        let vault = try await test.open()
        for tokens in [newest, moved] {
            #expect(try await party.refresh(tokens.refreshToken, in: vault).refusal != nil)
            #expect(try await vault.validate(tokens.pair.accessToken) == nil)
        }
        let next = try #require(await party.refresh(still.refreshToken, in: vault).issued)
        try await rotate(vault)
        #expect(try await vault.validate(next.pair.accessToken) != nil)
        #expect(try await party.refresh(next.refreshToken, in: vault).issued != nil)
        #expect(try await vault.users.find("alice").state == .active)
        let report = try await vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        await vault.close()
        await (try test.open()).close()
    }

    @Test(.ofFiles)
    func `a slot removed after a deep rotation, which gave it another number, is removed again`()
        async throws
    {
        let test = try await TestVault()
        let spare = try keyFile(test, "spare")
        _ = try await test.vault.keys.addSlot(named: "spare", unlockedBy: spare)
        let kept = try await test.backUp()
        for _ in 0..<2 { _ = try await test.vault.keys.rotateDeeply(openedBy: test.source, others: [spare]) }
        var restore = test.restore(kept, newest: .vault(path: test.path))
        restore.logVerifierKey = test.vault.log.verifierKey
        #expect(try await restore.plan().moved.isEmpty, "they were replaced, not removed")
        try await test.vault.keys.removeSlot(named: "spare")
        _ = try await restore.apply()
        await #expect(throws: VaultError(.locked, "")) { try await open(test, spare) }
        let vault = try await open(test, test.source)
        #expect(try await vault.keys.slots().count == 1)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }

    @Test(.ofFiles) func `webhooks removed since are told nothing, keys that were superseded sign nothing`()
        async throws
    {
        let test = try await TestVault()
        for url in ["https://gone.example/", "https://kept.example/"] {
            _ = try await test.vault.addWebhook(url, secret: SecretBytes(copying: "secret of a webhook"))
        }
        func addKey(_ kid: String, to vault: Vault) async throws {
            try await vault.addSigningKey(
                kid: kid, algorithm: .es256, privateKey: SecretBytes(copying: kid), publicJWK: "{}",
                retiringCurrent: .zero, isFirstOnly: vault !== test.vault)
        }
        try await addKey("leaked", to: test.vault)
        let kept = try await test.backUp()
        try await test.vault.removeWebhook("https://gone.example/")
        try await addKey("fresh", to: test.vault)
        _ = try await test.restore(kept, newest: .vault(path: test.path)).apply()
        let vault = try await test.open()
        #expect(try await vault.webhooks().map(\.url) == ["https://kept.example/"])
        #expect(try await vault.signingKeys().isEmpty)
        // As a service does when it starts.
        try await addKey("next", to: vault)
        #expect(try await vault.signingKeys().map(\.kid) == ["next"])
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }
}
