import OpenIDConnect
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

/// Rows that are few and decide much are counted by the vault's own record.
@Suite(.bounded) struct `P7: an older row of a client, a key or a setting is refused where it is read` {
    private let damaged = VaultError(.integrity, "")

    /// A row that changes or goes, and what reads it.
    enum Row: String, CaseIterable, Sendable {
        case owners, clients, keyslots, providers, anchors, webhooks
        case clientSecrets = "client_secrets"
        case keyslotDetails = "keyslot_details"
        case systemKeys = "system_keys"
        case signingKeys = "signing_keys"

        /// Makes the row that is changed later.
        func prepare(_ test: TestVault) async throws {
            let vault = test.vault
            switch self {
            case .keyslots:
                try Vault.createKeyFile(at: test.directory + "/second")
                _ = try await vault.keys.addSlot(
                    named: "second", unlockedBy: .keyFile(path: test.directory + "/second"))
            case .signingKeys: try await addSigningKey("a", vault)
            case .providers:
                _ = try await vault.addProvider("p", definition: "{}", credentials: Secret(copying: "one"))
            case .anchors: _ = try await vault.anchors.add(.file, target: test.directory + "/anchor")
            case .webhooks: _ = try await vault.addWebhook(url, secret: Secret(copying: "shared"))
            default: break
            }
        }

        func change(_ test: TestVault) async throws {
            let vault = test.vault
            switch self {
            case .owners: _ = try await vault.clients.disable("app")
            case .clients:
                _ = try await vault.clients.change("app") { $0.redirectURIs = ["https://new.example/cb"] }
            case .clientSecrets: _ = try await vault.clients.rotateSecret(of: "app", overlap: .zero)
            case .keyslots: try await vault.keys.removeSlot(named: "second")
            case .keyslotDetails:
                test.clock.advance(by: .seconds(60))
                _ = try await vault.keys.proveOpenedSlot()
            case .systemKeys: _ = try await vault.keys.rotate(.handles)
            case .signingKeys: try await addSigningKey("b", vault)
            case .providers: _ = try await vault.changeProvider("p", credentials: Secret(copying: "two"))
            case .anchors:
                try await vault.anchors.remove(try #require(try await vault.anchors.list().first).id)
            case .webhooks: try await vault.removeWebhook(url)
            }
        }

        func read(_ vault: Vault) async throws {
            switch self {
            case .owners, .clients, .clientSecrets: _ = try await vault.clients.list()
            case .keyslots, .keyslotDetails: _ = try await vault.keys.slots()
            case .systemKeys: _ = try await vault.keys.inventory()
            case .signingKeys: _ = try await vault.signingKeys()
            case .providers: _ = try await vault.provider(named: "p")
            case .anchors: _ = try await vault.anchors.list()
            case .webhooks: _ = try await vault.webhooks()
            }
        }

        private func addSigningKey(_ kid: String, _ vault: Vault) async throws {
            try await vault.addSigningKey(
                kid: kid, algorithm: .es256, privateKey: Secret([1]), publicJWK: "{}",
                retiringCurrent: .seconds(3600))
        }

        private var url: String { "https://app.example/hook" }
    }

    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        let row: Row
        let id: String

        /// - Returns: a vault where the row was changed, with a copy from before.
        init(_ row: Row) async throws {
            self.row = row
            test = try await TestVault()
            party = try await Party(test.vault)
            tokens = try await party.begin()
            try await row.prepare(test)
            try test.keep()
            try await row.change(test)
            let other = """
                SELECT o.id FROM old.\(row.rawValue) o LEFT JOIN main.\(row.rawValue) n ON n.id = o.id
                WHERE n.row_tag IS DISTINCT FROM o.row_tag ORDER BY o.id LIMIT 1
                """
            id = try test.sql(other)
            try #require(!id.isEmpty)
        }

        func putRowBack() throws { try test.putBack(row.rawValue, where: "id = \(id)") }

        /// In the running process, and in one that starts.
        func expectRefusals(_ place: String? = nil) async throws {
            await #expect(throws: VaultError(.integrity, "")) { try await row.read(test.vault) }
            await test.vault.close()
            // Some keys are looked at before there is a vault to ask.
            let opened: Vault
            do { opened = try await test.reopen() } catch let error as VaultError {
                #expect([.integrity, .locked].contains(error.code))
                return
            }
            #expect(opened.isDamaged)
            await #expect(throws: VaultError(.integrity, "")) { try await row.read(opened) }
            await #expect(throws: VaultError(.integrity, "")) {
                try await opened.validate(tokens.pair.accessToken)
            }
            await #expect(throws: VaultError(.integrity, "")) {
                try await party.refresh(tokens.refreshToken, in: opened)
            }
            let places = try await opened.log.verify().places
            #expect(places.contains("vault") && (place.map(places.contains) ?? true), "\(places)")
            await opened.close()
        }
    }

    @Test(.withSQL, arguments: Row.allCases) func `put back alone`(_ row: Row) async throws {
        let scene = try await Scene(row)
        try scene.putRowBack()
        try await scene.expectRefusals("\(row.rawValue) \(scene.id)")
    }

    @Test(.withSQL, arguments: Row.allCases) func `put back with the vault row of its time`(_ row: Row)
        async throws
    {
        let scene = try await Scene(row)
        try scene.putRowBack()
        try scene.test.putBack("vault")
        try await scene.expectRefusals("\(row.rawValue) \(scene.id)")
    }

    @Test(.withSQL, arguments: Row.allCases) func `all of them put back with the vault row of their time`(
        _ row: Row
    )
        async throws
    {
        let scene = try await Scene(row)
        try scene.test.setBack(Row.allCases.map(\.rawValue) + ["vault"])
        try await scene.expectRefusals()
    }

    @Test(.withSQL, arguments: Row.allCases) func `deleted`(_ row: Row) async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try await row.prepare(test)
        // Another process, which has nothing in memory yet.
        let other = try await test.reopen()
        let id =
            row == .owners
            ? "\(party.client.id.rawValue)"
            : try test.sql("SELECT max(id) FROM \(row.rawValue)")
        try test.sql("DELETE FROM \(row.rawValue) WHERE id = \(id)")
        await #expect(throws: damaged) {
            try await row.read(other)
            // No list shows who is not there.
            if row == .owners || row == .clients { _ = try await other.clients.find(party.client.id) }
            if row == .clientSecrets { try await other.clients.confirmSecrets(of: party.client.id) }
        }
        await other.close()
        await test.vault.close()
    }

    @Test(.ofFiles) func `rows of another vault carry other tags`() async throws {
        let (test, other) = (try await TestVault(), try await TestVault())
        let party = try await Party(test.vault)
        _ = try await Party(other.vault)
        let fresh = try await test.reopen()
        for table in ["owners", "clients", "client_secrets"] {
            _ = try sqlite(
                test.path,
                "ATTACH '\(other.path)' AS other; REPLACE INTO main.\(table) SELECT * FROM other.\(table) WHERE id > 1"
            )
        }
        await #expect(throws: damaged) { try await fresh.clients.find(party.client.id) }
        await fresh.close()
        let opened = try await test.reopen()
        #expect(opened.isDamaged)
        await #expect(throws: damaged) { try await opened.clients.list() }
        await opened.close()
    }

    @Test(.withSQL) func `users are not counted: their older rows are found by their entries`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try test.keep()
        try await test.vault.users.disable("alice")
        let id = party.user.id.rawValue
        try test.putBack("owners", where: "id = \(id)")
        let opened = try await test.reopen()
        #expect(!opened.isDamaged)
        #expect(try await opened.log.verify().places == ["owners \(id)"])
        await opened.close()
    }

    @Test func `what is written, rotated and pruned stays counted`() async throws {
        let test = try await TestVault()
        _ = try await Party(test.vault)
        for row in Row.allCases { try await row.prepare(test) }
        for row in Row.allCases { try await row.change(test) }
        for key in SystemKeyKind.allCases { _ = try await test.vault.keys.rotate(key) }
        _ = try await test.vault.keys.rotateRoot()
        _ = try await test.vault.keys.rotateDeeply(openedBy: .keyFile(path: test.keyFile))
        while try await test.vault.auditSize() < 600 {
            _ = try await test.vault.users.add("\(test.vault.auditSize())")
        }
        _ = try await test.vault.log.prune(test.vault.log.planPrune(keeping: .newest(10)))
        #expect(try await test.vault.log.verify().isIntact)
        let opened = try await test.reopen()
        #expect(!opened.isDamaged)
        for row in Row.allCases { try await row.read(opened) }
        #expect(try await opened.log.verify().isIntact)
        await opened.close()
    }
}
