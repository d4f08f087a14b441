import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenKeeper
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.serialized, .bounded) struct `A restore overwrites nothing and leaves no half` {
    @Test func `a vault, or the remains of one, at the place is in the way`() async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        for suffix in ["", "-wal", "-shm"] {
            let path = test.directory + "/restored" + suffix
            try test.write([1, 2, 3], to: path)
            await #expect(throws: VaultError(.alreadyExists, "")) { try await test.restore(kept).apply() }
            #expect(try test.bytes(path) == [1, 2, 3])
            unlink(path)
        }
        await #expect(throws: VaultError(.notFound, "")) {
            try await test.restore(kept, to: "no/where").apply()
        }
        #expect(try test.names().allSatisfy { !$0.contains("restor") })
    }

    @Test func `a damaged, a foreign or a locked backup: nothing is left`() async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        let foreign = try await TestVault()
        let others = try await foreign.backUp()
        var bytes = try test.bytes(kept.data)
        bytes[bytes.count / 2] ^= 1
        let damaged = TestVault.Kept(data: test.directory + "/damaged", keys: kept.keys)
        try test.write(bytes, to: damaged.data)
        let before = try test.names()
        await #expect(throws: VaultError(.integrity, "")) { try await test.restore(damaged).apply() }
        let mixed = TestVault.Kept(data: kept.data, keys: others.keys)
        await #expect(throws: VaultError(.locked, "")) { try await test.restore(mixed).apply() }
        await #expect(throws: VaultError(.locked, "")) {
            try await test.restore(kept, source: foreign.source).apply()
        }
        #expect(try test.names() == before)
    }

    @Test func `two operators at once make one vault`() async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        let results = await withTaskGroup(of: VaultError?.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    do { _ = try await test.restore(kept).apply() } catch { return error as? VaultError }
                    return nil
                }
            }
            return await group.reduce(into: [VaultError?]()) { $0.append($1) }
        }
        #expect(results.filter { $0 == nil }.count == 1, "\(results)")
        let vault = try await test.open()
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
        #expect(try !test.names().contains("restored.restoring"))
    }

    @Test func `what a killed restore left is cleared away by the next`() async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        let area = test.directory + "/restored.restoring"
        try FileManager.default.createDirectory(atPath: area, withIntermediateDirectories: false)
        for name in ["vault", "vault-wal", "vault.lock", "vault.ballast"] {
            try test.write([0, 1], to: area + "/" + name)
        }
        _ = try await test.restore(kept).apply()
        #expect(try !test.names().contains("restored.restoring"))
    }

    @Test(.ofFiles) func `a disk that is too small is told before, and holds nothing after`() async throws {
        let test = try await TestVault()
        for _ in 0..<500 { _ = try await test.vault.users.add(UUID().uuidString) }
        let kept = try await test.backUp()
        let small = test.directory + "/small"
        try FileManager.default.createDirectory(atPath: small, withIntermediateDirectories: false)
        for size in ["100k", "1200k"] {
            try run("mount", "-t", "tmpfs", "-o", "size=\(size),mode=700", "tmpfs", small)
            defer { try? run("umount", "-l", small) }
            var change = BackupRequest(path: small + "/backup", keysPath: nil)
            change.scratchDirectory = test.directory
            let request = change
            await #expect(throws: VaultError(.outOfSpace, "")) { try await test.vault.backups.make(request) }
            await #expect(throws: VaultError(.outOfSpace, "")) {
                try await test.restore(kept, to: "small/vault").apply()
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: small).isEmpty)
        }
    }

    @Test(.ofFiles) func `while the damaged vault is still served, nothing is restored against it`()
        async throws
    {
        let test = try await TestVault()
        let kept = try await test.backUp()
        try await test.vault.beginServing()
        let restore = test.restore(kept, newest: .vault(path: test.path))
        await #expect(throws: VaultError(.busy, "")) { try await restore.apply() }
        _ = try await restore.plan()
        await test.vault.close()
        _ = try await restore.apply()
    }

    private func run(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(arguments)")
    }
}

@Suite(.bounded) struct `A restore revives no decision that was taken since` {
    @Test(.ofFiles) func `users, clients, passwords and secrets are as the log says, or out of use`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await Party(test.vault, "changed", user: "bob")
        _ = try await Party(test.vault, "removed", user: "carol")
        _ = try await Party(test.vault, "disabled", user: "dave")
        let rotated = try await Party(test.vault, "rotated", user: "erin")
        let password = SecretBytes(copying: "correct horse battery")
        for user in ["alice", "bob"] { try await test.vault.users.setPassword(password, of: user) }
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try #require(ScopeSet(parsing: "basic")))
        let cookie = try await test.vault.startSession(
            user: party.user.id, signedInAt: test.clock.now(), lifetime: .seconds(3600))
        let tokens = try await party.begin()
        let kept = try await test.backUp()

        try await test.vault.users.disable("carol")
        try await test.vault.users.revokeGrants(of: "alice")
        try await test.vault.clients.remove("removed")
        try await test.vault.clients.disable("disabled")
        _ = try await test.vault.clients.rotateSecret(of: "rotated", overlap: .seconds(86400))
        try await test.vault.users.setPassword(SecretBytes(copying: "another horse battery"), of: "bob")
        try await test.vault.consents.withdraw(ofUser: party.user.id, fromClient: party.client.id)

        let outcome = try await test.restore(kept, newest: .vault(path: test.path)).apply()
        let vault = try await test.open()
        #expect(try await vault.users.find("carol").state == .disabled)
        await #expect(throws: VaultError(.notFound, "")) { try await vault.clients.find("removed") }
        #expect(try await vault.clients.find("disabled").state == .disabled)
        #expect(try await vault.clients.find("changed").state == .active)
        #expect(outcome.plan.moved("grant").map(\.id) == [tokens.grant.rawValue])
        #expect(try await party.refresh(tokens.refreshToken, in: vault).refusal == .grantRevoked)
        let secrets = try await vault.clients.find("rotated").secrets
        #expect(secrets.count == rotated.client.secrets.count)
        #expect(
            secrets.allSatisfy {
                ($0.notAfter ?? test.clock.now().advanced(by: .seconds(1))) <= test.clock.now()
            })
        #expect(
            try await vault.users.signIn("alice", password: password) == nil,
            "disabled until an operator looks")
        try await vault.users.enable("alice")
        #expect(try await vault.users.signIn("alice", password: password) != nil)
        #expect(try await vault.users.signIn("bob", password: password) == nil)
        #expect(try await vault.consents.find(ofUser: party.user.id, toClient: party.client.id) == nil)
        #expect(try await vault.session(cookie) == nil, "who was signed in is not any more")
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }

    @Test(.ofFiles) func `a vault restored from a restored one lives a third time, and its log is one tree`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let kept = try await test.backUp()
        let first = try await test.restore(kept, newest: .vault(path: test.path)).apply()
        let vault = try await test.open()
        let next = try #require(await party.refresh(tokens.refreshToken, in: vault).issued)
        #expect(first.plan.incarnation == 2)
        #expect(vault.log.verifierKey.hasPrefix(first.logOrigin + "+"))
        let request = BackupRequest(
            path: test.directory + "/second.data", keysPath: test.directory + "/second.keys")
        _ = try await vault.backups.make(request)
        await vault.close()
        let again = TestVault.Kept(data: request.path, keys: test.directory + "/second.keys")
        let path = test.directory + "/restored"
        let second = try await test.restore(again, to: "again", newest: .vault(path: path)).apply()
        #expect(second.plan.incarnation == 3 && second.logOrigin.contains("/3-"))
        let third = try await test.open("again")
        #expect(try await party.refresh(next.refreshToken, in: third).issued != nil)
        #expect(try await third.log.verify().isIntact)
        await third.close()
        // Of the first backup's two futures, one knows of the other's number.
        let fork = try await test.restore(kept, to: "fork", newest: .vault(path: path)).plan()
        #expect(fork.incarnation == 3)
    }

    @Test func `of connections nothing is known without a log, so none is used by itself`() async throws {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        let provider = try await test.vault.addProvider(
            "provider", definition: "{}", credentials: Secret(copying: "secret")
        ).id
        var tokens = NewTokens(accessToken: Secret(copying: "access"))
        tokens.refreshToken = Secret(copying: "refresh")
        let held = try await test.vault.storeConnection(
            ConnectionGrant(provider, user.id, label: "", tokens: tokens))
        let kept = try await test.backUp()
        let outcome = try await test.restore(kept).apply()
        #expect(outcome.plan.moved("connection").map(\.becomes) == [.quarantined])
        let vault = try await test.open()
        let connection = try await vault.heldConnection(held.id)
        #expect(connection.connection.state == .needsConsent)
        #expect(connection.connection.reason == "restored-uncertain")
        #expect(connection.pair == nil && connection.attempt == nil)
        // At nobody's word, and not even where the provider bears a repeat.
        for replay in [ReplayAllowance.never, .within(.seconds(3600)), .always] {
            let request = LeaseRequest(
                held.id, generation: connection.generation, failures: 0, holder: [1], span: .seconds(60),
                replay: replay, isForced: true)
            guard case .moved = try await vault.leaseRefresh(request) else {
                Issue.record("the refresh token went out")
                continue
            }
        }
        // Its user consents anew.
        let again = try await vault.storeConnection(
            ConnectionGrant(provider, user.id, label: "", tokens: tokens))
        #expect(again.id == held.id && again.connection.state == .live && again.pair != nil)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }

    @Test(.ofFiles) func `another restore reads in the log of the first what it did to each connection`()
        async throws
    {
        let test = try await TestVault()
        let users = try await [test.vault.users.add("alice"), test.vault.users.add("bob")]
        let provider = try await test.vault.addProvider(
            "provider", definition: "{}", credentials: Secret(copying: "secret")
        ).id
        var tokens = NewTokens(accessToken: Secret(copying: "access"))
        tokens.refreshToken = Secret(copying: "refresh")
        let grants = users.map { ConnectionGrant(provider, $0.id, label: "", tokens: tokens) }
        var ids: [ConnectionID] = []
        for grant in grants { ids.append(try await test.vault.storeConnection(grant).id) }
        let kept = try await test.backUp()
        _ = try await test.vault.storeConnection(grants[0])
        _ = try await test.vault.revokeConnection(ids[1], isKnownThere: false)
        let first = try await test.restore(kept, newest: .vault(path: test.path)).apply()
        #expect(first.plan.moved("connection").map(\.becomes) == [.quarantined, .quarantined])
        let restored = NewestLog.vault(path: test.directory + "/restored")
        let second = try await test.restore(kept, to: "second", newest: restored).plan()
        #expect(second.moved("connection").map(\.becomes) == [.quarantined, .quarantined])
    }

    @Test func `a kept answer that nobody could read may be stale as well, and is destroyed`() async throws {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        let provider = try await test.vault.addProvider(
            "provider", definition: "{}", credentials: Secret(copying: "secret")
        ).id
        let id = try await test.vault.storeConnection(
            ConnectionGrant(provider, user.id, label: "", reply: SecretBytes(copying: "{garbled"))
        ).id
        let kept = try await test.backUp()
        let outcome = try await test.restore(kept).apply()
        #expect(outcome.plan.moved("connection").map(\.becomes) == [.quarantined])
        let vault = try await test.open()
        let held = try await vault.heldConnection(id)
        #expect(held.reply == nil && held.pair == nil && held.connection.state == .needsConsent)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }

    @Test func `a connection that is being revoked keeps its tokens for that, and for nothing else`()
        async throws
    {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        let provider = try await test.vault.addProvider(
            "provider", definition: "{}", credentials: Secret(copying: "secret")
        ).id
        var tokens = NewTokens(accessToken: Secret(copying: "access"))
        tokens.refreshToken = Secret(copying: "refresh")
        let id = try await test.vault.storeConnection(
            ConnectionGrant(provider, user.id, label: "", tokens: tokens)
        ).id
        _ = try await test.vault.revokeConnection(id, isKnownThere: true)
        let kept = try await test.backUp()
        _ = try await test.restore(kept).apply()
        let vault = try await test.open()
        let held = try await vault.heldConnection(id)
        #expect(held.connection.state == .revoking && held.pair?.refreshToken != nil)
        let request = LeaseRequest(
            id, generation: held.generation, failures: 0, holder: [1], span: .seconds(60), replay: .always,
            isForced: true)
        guard case .moved = try await vault.leaseRefresh(request) else {
            Issue.record("the refresh token went out")
            return
        }
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }
}
