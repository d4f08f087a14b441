import Foundation
import Synchronization
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCustody

@Suite(.bounded, .withServer) struct `A vault moves to PostgreSQL and back with all that is in it` {
    /// A vault in a file with a grant, and a database that nobody uses.
    private final class Scene: Sendable {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        let service: String
        /// It was written while it moved.
        let isWritten = Atomic(false)
        private let other = Mutex<Vault?>(nil)
        private let cluster: PostgresCluster

        init() async throws {
            cluster = try PostgresCluster.shared.get()
            service = try cluster.makeDatabase()
            // The server's clock goes on with what was made by this one.
            test = try await TestVault(clock: SettableClock(SystemClock().now().millisecondsSince1970))
            party = try await Party(test.vault)
            tokens = try await party.begin()
        }

        deinit { cluster.giveBack(service) }

        var place: VaultPlace { .postgres(service: service) }
        var key: KeySource { .keyFile(path: test.keyFile) }

        func move(_ from: VaultPlace, _ to: VaultPlace) -> VaultMove {
            VaultMove(from: from, to: to, unlockedBy: key, isSingle: true)
        }

        func moveAway() async throws -> MoveReceipt {
            await test.vault.close()
            return try await move(.file(test.path), place).run()
        }

        func sql(_ text: String) throws -> String { try cluster.run(text, in: service) }

        func vaultID() async throws -> VaultID {
            let vault = try await Vault.open(at: place, unlockedBy: key)
            await vault.close()
            return vault.id
        }

        func put(_ text: String, _ name: String) throws {
            try text.write(toFile: test.directory + "/" + name, atomically: true, encoding: .utf8)
        }

        /// The last step fails until the function is dropped.
        func refuseEnd() throws {
            _ = try sql(
                """
                CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN RAISE EXCEPTION ''no''; END';
                CREATE OR REPLACE TRIGGER refusal BEFORE DELETE ON schema_migrations EXECUTE FUNCTION refuse()
                """)
        }

        /// The vault, its copies, and what is beside them.
        func files(of name: String) throws -> Set<String> {
            Set(
                try FileManager.default.contentsOfDirectory(atPath: test.directory).filter {
                    $0.hasPrefix(name)
                })
        }

        /// As another process does it while the vault moves, once.
        func meanwhile(_ share: Double, _ body: @escaping @Sendable () async -> Void) {
            guard share > 0.6, !isWritten.exchange(true, ordering: .relaxed) else { return }
            let isOver = DispatchSemaphore(value: 0)
            Task {
                await body()
                isOver.signal()
            }
            isOver.wait()
        }

        /// A move that made its copy and cannot end, because another process has the vault open.
        func leaveCopy() async throws {
            let (path, key) = (test.path, key)
            await test.vault.close()
            await #expect(throws: VaultError(.busy, "")) {
                try await move(.file(path), place).run { [self] share in
                    meanwhile(share) {
                        let opened = try? await Vault.open(at: path, unlockedBy: key)
                        self.other.withLock { $0 = opened }
                    }
                }
            }
            let opened = try #require(other.withLock { $0 })
            await opened.close()
        }

        /// Of the log in a file, as it is there.
        func head(of path: String) throws -> [String] {
            try sqlite(path, "SELECT size, lower(hex(root)) FROM audit_head").split(separator: "|").map(
                String.init)
        }
    }

    @Test(.ofFiles) func `there and back`() async throws {
        let scene = try await Scene()
        let size = try await scene.test.vault.auditSize()
        let receipt = try await scene.moveAway()
        #expect(receipt.logSize > size && receipt.rows > receipt.logSize)
        #expect(!FileManager.default.fileExists(atPath: scene.test.path))
        #expect(receipt.setAside.map { FileManager.default.fileExists(atPath: $0) } == true)

        let vault = try await Vault.open(at: scene.place, unlockedBy: scene.key)
        #expect(vault.path == "postgres:" + scene.service)
        #expect(try await vault.validate(scene.tokens.pair.accessToken) != nil)
        let next = try #require(await scene.party.refresh(scene.tokens.refreshToken, in: vault).issued)
        #expect(try await vault.log.verify(comparesAnchors: false).isIntact)
        await vault.close()

        // To where it was.
        let file = VaultPlace.file(scene.test.path)
        let back = try await scene.move(scene.place, file).run()
        #expect(back.setAside == nil && back.logSize > receipt.logSize)
        await #expect(throws: VaultError(.unavailable, "")) {
            try await Vault.open(at: scene.place, unlockedBy: scene.key)
        }
        let again = try await Vault.open(at: file, unlockedBy: scene.key)
        #expect(try await scene.party.refresh(next.refreshToken, in: again).issued != nil)
        #expect(try await again.log.verify(comparesAnchors: false).isIntact)
        await again.close()
    }

    @Test(.ofFiles) func `not while it is served, and then again`() async throws {
        let scene = try await Scene()
        try await scene.test.vault.beginServing()
        await #expect(throws: VaultError(.busy, "")) {
            try await scene.move(.file(scene.test.path), scene.place).run()
        }
        #expect(try scene.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'tokenvault'") == "0")
        _ = try await scene.moveAway()
    }

    @Test(.ofFiles) func `not what was written while the copy was verified`() async throws {
        let scene = try await Scene()
        await scene.test.vault.close()
        let path = scene.test.path
        let key = scene.key
        await #expect(throws: VaultError(.busy, "")) {
            try await scene.move(.file(path), scene.place).run { share in
                scene.meanwhile(share) {
                    let late = try? await Vault.open(at: path, unlockedBy: key)
                    _ = try? await late?.users.add("late")
                    await late?.close()
                }
            }
        }
        let isWritten = scene.isWritten.load(ordering: .relaxed)
        #expect(isWritten)
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test(.ofFiles) func `not what was written on the server meanwhile, and then it stays there`()
        async throws
    {
        let scene = try await Scene()
        _ = try await scene.moveAway()
        let (place, key) = (scene.place, scene.key)
        await #expect(throws: VaultError(.busy, "")) {
            try await scene.move(place, .file(scene.test.directory + "/back")).run { share in
                scene.meanwhile(share) {
                    let late = try? await Vault.open(at: place, unlockedBy: key)
                    _ = try? await late?.users.add("late")
                    await late?.close()
                }
            }
        }
        #expect(try scene.files(of: "back") == [])
        let vault = try await Vault.open(at: place, unlockedBy: key)
        #expect(try await vault.users.list().map(\.name).sorted() == ["alice", "late"])
        await vault.close()
    }

    /// What stands in the way of the last step: the file's name is taken by then.
    @Test(.ofFiles) func `begun again after the database was left, it ends what was begun`() async throws {
        let scene = try await Scene()
        _ = try await scene.moveAway()
        let back = scene.test.directory + "/back"
        let (move, vault) = (scene.move(scene.place, .file(back)), try await scene.vaultID())
        // Of a try that was killed, and of another vault that is to have the same name.
        let others = ["\(vault)-7", "\(vault)-7-wal", "\(vault)-7.lock", "00-7"].map { "back.moving-" + $0 }
        for name in others { try scene.put("x", name) }
        let failure = await #expect(throws: VaultError.self) {
            try await move.run { share in if share > 0.6 { try? scene.put("taken", "back") } }
        }
        #expect(failure?.code == .alreadyExists, "\(String(describing: failure))")
        #expect(failure?.message.contains("has left") == true, "\(String(describing: failure))")
        #expect(try String(contentsOfFile: back, encoding: .utf8) == "taken")
        #expect(try scene.files(of: "back").contains(others[3]))
        await #expect(throws: VaultError(.unavailable, "")) {
            try await Vault.open(at: scene.place, unlockedBy: scene.key)
        }
        #expect(try scene.sql("SELECT count(*) FROM audit_head") == "1")
        try FileManager.default.removeItem(atPath: back)
        let receipt = try await move.run()
        #expect(receipt.isRepeated && receipt.setAside == nil)
        #expect(try scene.files(of: "back.moving") == ["back.moving-00-7"])
        let again = try await Vault.open(at: .file(back), unlockedBy: scene.key)
        #expect(try await again.validate(scene.tokens.pair.accessToken) != nil)
        let report = try await again.log.verify(comparesAnchors: false)
        #expect(report.isIntact)
        await again.close()
        #expect(try receipt.logSize < Int64(scene.head(of: back)[0]) ?? 0)
        await #expect(throws: VaultError(.unavailable, "")) { try await move.run() }
    }

    @Test(.ofFiles) func `begun again after it has ended, it says where the vault is`() async throws {
        let scene = try await Scene()
        _ = try await scene.moveAway()
        let failure = await #expect(throws: VaultError(.notFound, "")) {
            try await scene.move(.file(scene.test.path), scene.place).run()
        }
        #expect(failure?.remedy.contains("\(scene.place)") == true, "\(String(describing: failure))")
    }

    @Test(.ofFiles) func `begun again after a failure, it replaces the copy that cannot be used`()
        async throws
    {
        let scene = try await Scene()
        try await scene.leaveCopy()
        await #expect(throws: VaultError(.unavailable, "")) {
            try await Vault.open(at: scene.place, unlockedBy: scene.key)
        }
        let other = try await TestVault()
        await other.vault.close()
        await #expect(throws: VaultError(.alreadyExists, "")) {
            try await VaultMove(
                from: .file(other.path), to: scene.place, unlockedBy: .keyFile(path: other.keyFile),
                isSingle: true
            ).run()
        }
        let late = try await scene.test.reopen()
        _ = try await late.users.add("late")
        await late.close()
        let receipt = try await scene.move(.file(scene.test.path), scene.place).run()
        #expect(receipt.isRepeated)
        let aside = try #require(receipt.setAside)
        #expect(try scene.head(of: aside) == ["\(receipt.logSize)", receipt.logRoot])
        let vault = try await Vault.open(at: scene.place, unlockedBy: scene.key)
        #expect(try await vault.users.list().map(\.name).sorted() == ["alice", "late"])
        #expect(try await vault.log.verify(comparesAnchors: false).isIntact)
        await vault.close()
    }

    @Test(.ofFiles) func `begun again after the vault was left, it ends what was begun`() async throws {
        let scene = try await Scene()
        await scene.test.vault.close()
        let failure = await #expect(throws: VaultError.self) {
            try await scene.move(.file(scene.test.path), scene.place).run { share in
                if share > 0.6 { try? scene.refuseEnd() }
            }
        }
        #expect(failure?.message.contains("has left") == true, "\(String(describing: failure))")
        #expect(!FileManager.default.fileExists(atPath: scene.test.path))
        await #expect(throws: VaultError(.unavailable, "")) {
            try await Vault.open(at: scene.place, unlockedBy: scene.key)
        }
        _ = try scene.sql("DROP FUNCTION refuse CASCADE")
        let receipt = try await scene.move(.file(scene.test.path), scene.place).run()
        #expect(receipt.isRepeated)
        let aside = try #require(receipt.setAside)
        #expect(try scene.head(of: aside) == ["\(receipt.logSize)", receipt.logRoot])
        let vault = try await Vault.open(at: scene.place, unlockedBy: scene.key)
        #expect(try await vault.validate(scene.tokens.pair.accessToken) != nil)
        #expect(try await vault.log.verify(comparesAnchors: false).isIntact)
        await vault.close()
    }

    @Test(.ofFiles) func `its log says so, and its anchors go on from there`() async throws {
        let scene = try await Scene()
        let anchor = scene.test.directory + "/anchor"
        _ = try await scene.test.vault.anchors.add(.file, target: anchor)
        await scene.test.vault.close()
        var move = scene.move(.file(scene.test.path), scene.place)
        move.configuration = .anchored(clock: scene.test.clock)
        let receipt = try await move.run()
        let moves =
            "SELECT count(*) FROM audit_leaves WHERE convert_from(bytes, 'UTF8') LIKE '%\"vault.move\"%'"
        #expect(try scene.sql(moves) == "1")
        let vault = try await Vault.open(
            at: scene.place, unlockedBy: scene.key, configuration: move.configuration)
        _ = try await vault.users.add("later")
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
        func noted() throws -> Int64 {
            let note = try String(contentsOfFile: anchor, encoding: .utf8).split(separator: "\n")
            return try #require(Int64(note[1]))
        }
        #expect(try noted() > receipt.logSize)
        // And back, where the copy has another name for a while.
        move = scene.move(scene.place, .file(scene.test.path))
        move.configuration = .anchored(clock: scene.test.clock)
        let back = try await move.run()
        #expect(try noted() > back.logSize)
        let again = try await Vault.open(
            at: .file(scene.test.path), unlockedBy: scene.key, configuration: move.configuration)
        #expect(try await again.log.verify().isIntact)
        await again.close()
    }

    @Test(.ofFiles) func `of a link the file moves, and that is found again`() async throws {
        let scene = try await Scene()
        await scene.test.vault.close()
        let link = scene.test.directory + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: scene.test.path)
        await #expect(throws: VaultError.self) {
            try await scene.move(.file(link), scene.place).run { share in
                if share > 0.6 { try? scene.refuseEnd() }
            }
        }
        #expect(!FileManager.default.fileExists(atPath: scene.test.path))
        _ = try scene.sql("DROP FUNCTION refuse CASCADE")
        let receipt = try await scene.move(.file(link), scene.place).run()
        #expect(receipt.isRepeated && receipt.setAside?.hasPrefix(scene.test.path + ".moved-") == true)
    }

    @Test(.ofFiles) func `a copy that is elsewhere is asked for, and no directory is named as such`()
        async throws
    {
        let scene = try await Scene()
        _ = try await scene.moveAway()
        let nowhere = scene.move(scene.place, .file(scene.test.directory + "/none/back"))
        let missing = await #expect(throws: VaultError(.notFound, "")) { try await nowhere.run() }
        #expect(missing?.message.contains("directory") == true, "\(String(describing: missing))")
        let back = scene.test.directory + "/back"
        await #expect(throws: VaultError(.alreadyExists, "")) {
            try await scene.move(scene.place, .file(back)).run { share in
                // The file that a killed vault leaves beside its name would be read into this one.
                if share > 0.6 { try? scene.put("x", "back-wal") }
            }
        }
        #expect(!FileManager.default.fileExists(atPath: back))
        let other = scene.move(scene.place, .file(scene.test.directory + "/other"))
        let failure = await #expect(throws: VaultError(.notFound, "")) { try await other.run() }
        #expect(failure?.message.contains("other.moving-") == true, "\(String(describing: failure))")
        try FileManager.default.removeItem(atPath: back + "-wal")
        let receipt = try await scene.move(scene.place, .file(back)).run()
        #expect(receipt.isRepeated)
        let vault = try await Vault.open(at: .file(back), unlockedBy: scene.key)
        #expect(try await vault.validate(scene.tokens.pair.accessToken) != nil)
        await vault.close()
    }

    @Test(.ofFiles) func `not where a vault is, and not with another key`() async throws {
        let scene = try await Scene()
        _ = try await scene.moveAway()
        let other = try await TestVault()
        await other.vault.close()
        let move = VaultMove(
            from: .file(other.path), to: scene.place, unlockedBy: .keyFile(path: other.keyFile),
            isSingle: true)
        await #expect(throws: VaultError(.alreadyExists, "")) { try await move.run() }
        #expect(FileManager.default.fileExists(atPath: other.path))
        var wrong = move
        wrong.key = scene.key
        await #expect(throws: VaultError(.locked, "")) { try await wrong.run() }
        #expect(try scene.sql("SELECT size > 0 FROM audit_head") == "t")
    }

    @Test(.ofFiles) func `a backup of it is the same container, which a file is restored from`() async throws
    {
        let scene = try await Scene()
        _ = try await scene.moveAway()
        let vault = try await Vault.open(at: scene.place, unlockedBy: scene.key)
        let (data, keys) = (scene.test.directory + "/data", scene.test.directory + "/keys")
        let receipt = try await vault.backups.make(BackupRequest(path: data, keysPath: keys))
        await vault.close()
        #expect(receipt.byteCount > 0)
        #expect(try await Backup.verify(data, keys: keys, unlockedBy: scene.key).isIntact)
        var restore = VaultRestore(
            backup: data, keys: keys, unlockedBy: scene.key, to: scene.test.directory + "/restored")
        restore.keepsGrants = true
        #expect(try await restore.apply().logSize > receipt.logSize)
    }

    @Test(.ofFiles) func `the doctor looks at the server`() async throws {
        let scene = try await Scene()
        _ = try await scene.moveAway()
        let checks = await VaultDoctor(scene.place).examine()
        let warnings = checks.filter { $0.severity >= .warning && $0.id.hasPrefix("postgres.") }
        #expect(warnings.isEmpty, "\(warnings)")
        let found = Set(checks.map(\.id))
        for id in ["opens", "settings", "standbys", "clock", "instances", "dead_rows"] {
            #expect(found.contains("postgres." + id), "\(found.sorted())")
        }
        #expect(found.contains("log.length") || found.contains { $0.hasPrefix("log.") })
        let missing = await VaultDoctor(.postgres(service: "no-such-service")).examine()
        #expect(missing.count == 1 && missing.first?.code == .notFound)
    }
}
