import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `Keys by role keep a process to its work` {
    /// A vault with a grant, a connection, and a keyslot for each role.
    final class Stage: Sendable {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        let connection: ConnectionID

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            tokens = try await party.begin()
            let provider = try await test.vault.addProvider(
                "provider", definition: "{}", credentials: Secret(copying: "secret")
            ).id
            var pair = NewTokens(accessToken: Secret(copying: "access"))
            pair.refreshToken = Secret(copying: "refresh")
            connection = try await test.vault.storeConnection(
                ConnectionGrant(provider, party.user.id, label: "", tokens: pair)
            ).id
            for role in [VaultRoles.issuer, .keeper, .custody] {
                try Vault.createKeyFile(at: test.directory + "/" + role.rawValue)
                _ = try await test.vault.keys.addSlot(
                    named: role.rawValue, unlockedBy: source(role), for: role)
            }
        }

        func source(_ role: VaultRoles) -> KeySource {
            .keyFile(path: role == .everything ? test.keyFile : test.directory + "/" + role.rawValue)
        }

        /// By the slot of the role, or by one for everything.
        func open(_ role: VaultRoles, by slot: VaultRoles? = nil) async throws -> Vault {
            try await Vault.open(
                at: test.path, unlockedBy: source(slot ?? role),
                configuration: VaultConfiguration.anchored(clock: test.clock),
                for: role)
        }

        /// What stands in the one row that a query finds.
        func fields(_ sql: String) throws -> [String] {
            try sqlite(test.path, sql).lowercased().split(separator: "|", omittingEmptySubsequences: false)
                .map(String.init)
        }

        /// What a key file opens in a copy of a keyslot.
        func opened(_ role: VaultRoles, _ slot: [String]) throws -> GuardedKey {
            let record = KeyslotRecord(
                id: try #require(Hex.decode(slot[0])),
                kind: try #require(Int64(slot[1]).flatMap(KeyslotKind.init(rawValue:))),
                epoch: try #require(UInt32(slot[2])), parameters: try #require(Hex.decode(slot[3])),
                wrapped: try #require(Hex.decode(slot[4])), role: try #require(UInt16(slot[5])))
            return try Keyslot.open(record, with: source(role), vault: test.vault.id)
        }

        static let slotSQL =
            "SELECT hex(slot_id), kind, epoch, hex(parameters), hex(wrapped), role FROM keyslots WHERE role = "

        /// The rows of `role_keys` and `owner_keys` that a key opens, whatever they say of who wraps them.
        func wraps(openedBy key: GuardedKey) throws -> Set<String> {
            let sql = """
                SELECT 'role ' || role || ' by ' || wrapper, 19, 6, 1, role * 4 + wrapper, epoch, wrapper_epoch,
                    hex(wrapped) FROM role_keys UNION ALL
                SELECT 'owner ' || id, 20, 5, owner_id, id, 0, epoch, hex(wrapped) FROM owner_keys UNION ALL
                SELECT 'system ' || purpose || ' of ' || role, 2, 5, 1, id, 0, epoch, hex(wrapped) FROM system_keys
                """
            var found: Set<String> = []
            for line in try sqlite(test.path, sql).split(separator: "\n") {
                let values = line.split(separator: "|").map(String.init)
                let numbers = try values[1...6].map { try #require(Int64($0)) }
                let place = AssociatedData(
                    domain: "tokenvault.wrap", vault: test.vault.id, owner: OwnerID(numbers[2]),
                    table: UInt16(numbers[0]), column: UInt16(numbers[1]), row: numbers[3],
                    generation: UInt64(numbers[4]))
                let wrapped = try #require(Hex.decode(values[7].lowercased()))
                if (try? KeyWrap.unwrap(wrapped, with: key, epoch: UInt32(numbers[5]), for: place)) != nil {
                    found.insert(values[0])
                }
            }
            return found
        }
    }

    private func refusal(_ work: () async throws -> Void) async -> VaultError.Code? {
        do {
            try await work()
            return nil
        } catch { return (error as? VaultError)?.code }
    }

    @Test(.ofFiles) func `a process of one role names no program for others to run`() async throws {
        let stage = try await Stage()
        let (vault, program) = (stage.test.vault, stage.test.directory + "/program")
        try Data("#!/bin/sh\ncat > /dev/null\n".utf8).write(to: URL(filePath: program))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: program)
        let issuer = try await stage.open(.issuer)
        await #expect(throws: VaultError(.denied, "")) {
            try await issuer.anchors.add(.exec, target: program)
        }
        let file = try await issuer.anchors.add(.file, target: stage.test.directory + "/anchor")
        let anchor = try await vault.anchors.add(.exec, target: program)
        #expect(anchor.failures == 0 && anchor.lag == 0)
        #expect(try await issuer.anchors.list().map(\.id) == [file.id])
        await #expect(throws: VaultError(.denied, "")) { try await issuer.anchors.remove(anchor.id) }
        #expect(try await vault.anchors.list().map(\.id) == [file.id, anchor.id])
        #expect(try await vault.log.verify().isIntact)
        await issuer.close()
    }

    @Test(.ofFiles, arguments: [VaultRoles.issuer, .everything])
    func `an issuer serves grants, and can read and write nothing of the keeper's`(_ slot: VaultRoles)
        async throws
    {
        let stage = try await Stage()
        let before = try sqlite(stage.test.path, "SELECT * FROM providers; SELECT * FROM connections")
        let vault = try await stage.open(.issuer, by: slot)
        #expect(vault.roles == .issuer)
        #expect(try await vault.validate(stage.tokens.pair.accessToken) != nil)
        let next = try #require(await stage.party.refresh(stage.tokens.refreshToken, in: vault).issued)
        #expect(try await vault.validate(next.pair.accessToken) != nil)
        #expect(try await vault.users.find("alice").name == "alice")
        _ = try await vault.users.add("bob")
        _ = try await vault.clients.rotateSecret(of: "app", overlap: .zero)

        let id = stage.connection
        #expect(await refusal { _ = try await vault.heldConnection(id) } == .denied)
        #expect(await refusal { _ = try await vault.providers() } == .denied)
        #expect(
            await refusal {
                _ = try await vault.addProvider("evil", definition: "{}", credentials: Secret(copying: "x"))
            } == .denied)
        #expect(
            await refusal { _ = try await vault.changeProvider("provider", definition: "{\"evil\":1}") }
                == .denied)
        #expect(
            await refusal {
                _ = try await vault.addWebhook("https://evil.example", secret: Secret(copying: "x"))
            } == .denied)
        #expect(await refusal { try await vault.removeConnection(id) } == .denied)
        #expect(try sqlite(stage.test.path, "SELECT * FROM providers; SELECT * FROM connections") == before)
        await vault.close()
        #expect(try await stage.test.vault.log.verify().isIntact)
    }

    @Test(.ofFiles) func `a keeper holds connections, and knows no token of ours`() async throws {
        let stage = try await Stage()
        let vault = try await stage.open(.keeper)
        #expect(try await vault.heldConnection(stage.connection).pair != nil)
        _ = try await vault.changeProvider("provider", definition: "{\"changed\":1}")
        #expect(await refusal { _ = try await vault.validate(stage.tokens.pair.accessToken) } == .denied)
        #expect(
            await refusal { _ = try await stage.party.refresh(stage.tokens.refreshToken, in: vault) }
                == .denied)
        #expect(await refusal { _ = try await vault.clients.find("app") } == .denied)
        await vault.close()
        #expect(try await stage.test.vault.heldConnection(stage.connection).pair != nil)
    }

    @Test(.ofFiles, arguments: [VaultRoles.issuer, .keeper, .custody])
    func `what concerns all roles needs a keyslot for everything`(_ role: VaultRoles) async throws {
        let stage = try await Stage()
        let vault = try await stage.open(role)
        #expect(await refusal { _ = try await vault.users.erase("alice") } == .denied)
        #expect(await refusal { _ = try await vault.keys.rotateRoot() } == .denied)
        #expect(await refusal { _ = try await vault.keys.rotateRole(role) } == .denied)
        #expect(await refusal { _ = try await vault.keys.rotate(.log) } == .denied)
        #expect(
            await refusal { _ = try await vault.keys.rotateDeeply(openedBy: stage.source(role)) } == .denied)
        #expect(
            await refusal { _ = try await vault.keys.addSlot(unlockedBy: stage.source(role)) } == .denied)
        #expect(await refusal { try await vault.keys.removeSlot(named: "first") } == .denied)
        #expect(await refusal { _ = try await vault.keys.inventory() } == .denied)
        let report = try await vault.log.verify()
        #expect(report.findings.isEmpty, "\(report.findings)")
        #expect(report.notes.contains { $0.contains("Tags were not checked") })
        await vault.close()
        #expect(try await stage.test.vault.log.verify().notes == [])
        #expect(try await stage.test.vault.users.find("alice").name == "alice")
    }

    @Test(.ofFiles) func `a keyslot for another role is refused, and one for a role gives no more`()
        async throws
    {
        let stage = try await Stage()
        #expect(await refusal { _ = try await stage.open(.issuer, by: .keeper) } == .denied)
        let vault = try await Vault.open(at: stage.test.path, unlockedBy: stage.source(.issuer))
        #expect(vault.roles == .issuer)
        await vault.close()
    }

    @Test(.ofFiles) func `a role's key opens the wraps of its role and the common ones, and no other`()
        async throws
    {
        let stage = try await Stage()
        let issuer = try stage.opened(.issuer, stage.fields(Stage.slotSQL + "1"))
        let opened = try stage.wraps(openedBy: issuer)
        #expect(opened.contains("role 0 by 1"))
        for name in opened where name != "role 0 by 1" {
            let isOwn = name.hasPrefix("system ") ? name.hasSuffix(" of 1") : name.hasPrefix("owner ")
            #expect(isOwn, "\(name)")
            if let id = name.split(separator: " ").last.flatMap({ Int64($0) }), name.hasPrefix("owner ") {
                #expect(id % 4 == 1, "\(name)")
            }
        }
    }

    @Test(.ofFiles) func `a slot that became known opens nothing new once its role has another key`()
        async throws
    {
        let stage = try await Stage()
        let slot = try stage.fields(Stage.slotSQL + "1")
        let row = try sqlite(stage.test.path, "SELECT id FROM keyslots WHERE role = 1")
        let leaked = try stage.opened(.issuer, slot)
        #expect(try !stage.wraps(openedBy: leaked).isEmpty)
        let other = KeySource.keyFile(path: stage.test.directory + "/other")
        try Vault.createKeyFile(at: stage.test.directory + "/other")
        _ = try await stage.test.vault.keys.addSlot(named: "other", unlockedBy: other, for: .issuer)
        let service = try await Vault.open(
            at: stage.test.path, unlockedBy: other,
            configuration: VaultConfiguration.anchored(clock: stage.test.clock))
        let keeper = try await stage.open(.keeper)
        _ = try sqlite(stage.test.path, "VACUUM INTO '\(stage.test.directory)/old'")

        try await stage.test.vault.keys.removeSlot(named: "issuer")
        let report = try await stage.test.vault.keys.rotateRole(.issuer)
        #expect(report.kind == "issuer")
        #expect(try stage.wraps(openedBy: leaked).isEmpty)
        #expect(try sqlite(stage.test.path, "SELECT count(*) FROM role_keys WHERE state = 2") == "0")
        // Services of the role and of others go on.
        let next = try #require(
            await stage.party.refresh(stage.tokens.refreshToken, in: service).issued)
        #expect(try await service.validate(next.pair.accessToken) != nil)
        #expect(try await keeper.heldConnection(stage.connection).pair != nil)
        _ = try sqlite(
            stage.test.path,
            """
            ATTACH '\(stage.test.directory)/old' AS old;
            INSERT INTO main.keyslots SELECT * FROM old.keyslots WHERE id = \(row)
            """)
        #expect(await refusal { _ = try await stage.open(.issuer) } == .locked)
        for vault in [service, keeper] { await vault.close() }
    }

    @Test(
        .ofFiles,
        arguments: [
            "UPDATE keyslots SET role = 0 WHERE role = 1", "UPDATE keyslots SET kind = 3 WHERE role = 1",
        ])
    func `a slot that was made another one opens nothing`(_ change: String) async throws {
        let stage = try await Stage()
        _ = try sqlite(stage.test.path, change)
        let refused = await refusal { _ = try await stage.test.vault.keys.rotateRoot() }
        #expect(refused == .integrity)
        #expect(try sqlite(stage.test.path, "SELECT key_epoch FROM vault") == "1")
        #expect([.locked, .integrity].contains(await refusal { _ = try await stage.open(.issuer) }))
    }

    @Test(.ofFiles) func `every role goes on through a rotation of the root key`() async throws {
        let stage = try await Stage()
        let narrowed = try await stage.open(.issuer, by: .everything)
        let issuer = try await stage.open(.issuer)
        let keeper = try await stage.open(.keeper)
        _ = try await stage.test.vault.keys.rotateRoot()
        for vault in [narrowed, issuer] {
            #expect(try await vault.validate(stage.tokens.pair.accessToken) != nil)
            #expect(vault.roles == .issuer)
            #expect(await refusal { _ = try await vault.heldConnection(stage.connection) } == .denied)
        }
        #expect(try await keeper.heldConnection(stage.connection).pair != nil)
        for vault in [narrowed, issuer, keeper] { await vault.close() }
        for role in [VaultRoles.issuer, .keeper, .custody] { await (try stage.open(role)).close() }
    }

    @Test(.ofFiles) func `custody makes backups, which a keyslot for everything restores`() async throws {
        let stage = try await Stage()
        let vault = try await stage.open(.custody)
        let (data, keys) = (stage.test.directory + "/backup", stage.test.directory + "/backup-keys")
        _ = try await vault.backups.make(BackupRequest(path: data, keysPath: keys))
        await vault.close()
        await stage.test.vault.close()
        let verified = try await Backup.verify(
            data, keys: keys, unlockedBy: stage.source(.everything), scratch: stage.test.directory)
        #expect(verified.isIntact)
        #expect(
            await refusal {
                _ = try await Backup.verify(
                    data, keys: keys, unlockedBy: stage.source(.custody), scratch: stage.test.directory)
            } == .locked)
    }
}
