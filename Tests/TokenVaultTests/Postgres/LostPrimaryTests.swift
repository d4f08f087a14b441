import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// A server that was promoted or restored can lack what another confirmed.
@Suite(.bounded, .withServer)
struct `P7: a service does not go on with a server that lacks what was confirmed` {
    private final class Scene: Sendable {
        let vault: Vault
        let party: Party
        let tokens: IssuedTokens
        let key: KeySource
        private let keyFile: String
        private let service: String
        private let cluster: PostgresCluster

        /// - Parameter own: whose commits a standby confirms; nil: the one that all tests share, without standbys.
        init(in own: PostgresCluster? = nil) async throws {
            cluster = try own ?? PostgresCluster.shared.get()
            service = try cluster.makeDatabase()
            keyFile = NSTemporaryDirectory() + "tokenvault-key-" + UUID().uuidString
            try Vault.createKeyFile(at: keyFile)
            key = .keyFile(path: keyFile)
            vault = try await Vault.create(
                at: .postgres(service: service), unlockedBy: key, isSingle: own == nil)
            party = try await Party(vault)
            tokens = try await party.begin()
        }

        deinit {
            unlink(keyFile)
            cluster.giveBack(service)
        }

        private func eachTable(_ statement: String) throws {
            try cluster.run(
                """
                SET session_replication_role = replica;
                CREATE SCHEMA IF NOT EXISTS kept;
                DO $$ DECLARE t text; BEGIN
                  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'tokenvault' LOOP
                    EXECUTE format('\(statement)', t, t, t);
                  END LOOP;
                END $$
                """, in: service)
        }

        func keep() throws { try eachTable("CREATE TABLE kept.%I AS TABLE tokenvault.%I") }

        func putBack() throws {
            try eachTable(
                "DELETE FROM tokenvault.%I; INSERT INTO tokenvault.%I SELECT * FROM kept.%I")
        }

        /// As when a server goes away: every connection is lost, and the next goes to whoever is there now.
        func loseConnections() throws {
            try cluster.run(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """, in: service)
        }

        func elsewhere(_ entries: Int) async throws {
            let other = try await Vault.open(at: .postgres(service: service), unlockedBy: key)
            for number in 0..<entries { _ = try await other.users.add("other \(number)") }
            await other.close()
        }
    }

    @Test(arguments: [0, 40])
    func `shorter, or longer by what others added`(_ more: Int) async throws {
        let scene = try await Scene()
        try scene.keep()
        for number in 0..<5 { _ = try await scene.vault.users.add("user \(number)") }
        try scene.putBack()
        try scene.loseConnections()
        if more > 0 { try await scene.elsewhere(more) }
        await #expect(throws: VaultError(.integrity, "")) { try await scene.vault.proveWritePath() }
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.vault.validate(scene.tokens.pair.accessToken)
        }
        #expect(scene.vault.end != nil)
        await scene.vault.close()
    }

    @Test func `one that has no standby confirms nothing: nothing is judged by it`() async throws {
        let cluster = try PostgresCluster(settings: ["synchronous_standby_names = 'replica'"])
        defer { cluster.end() }
        try cluster.startStandby(named: "replica")
        let scene = try await Scene(in: cluster)
        try scene.keep()
        for number in 0..<5 { _ = try await scene.vault.users.add("user \(number)") }
        try cluster.demandStandby("")
        try scene.putBack()
        try scene.loseConnections()
        await #expect(throws: VaultError(.unavailable, "")) { try await scene.vault.proveWritePath() }
        #expect(scene.vault.end == nil)
        try cluster.demandStandby("replica")
        try scene.loseConnections()
        // What finishes something is always tried.
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.vault.grants.revoke(scene.tokens.grant)
        }
        #expect(scene.vault.end != nil)
        await scene.vault.close()
    }

    @Test func `a lost connection alone is gone on after, with what others added`() async throws {
        let scene = try await Scene()
        try scene.loseConnections()
        #expect(try await scene.vault.validate(scene.tokens.pair.accessToken) != nil)
        let next = try #require(await scene.party.refresh(scene.tokens.refreshToken).issued)
        try await scene.elsewhere(300)
        try scene.loseConnections()
        #expect(try await scene.party.refresh(next.refreshToken).issued != nil)
        #expect(scene.vault.end == nil)
        #expect(try await scene.vault.log.verify().isIntact)
        await scene.vault.close()
    }
}

@Suite(.bounded, .withServer)
struct `New work is refused by the first commit that sees no standby on PostgreSQL` {
    @Test func `what finishes something is done in it`() async throws {
        let cluster = try PostgresCluster(settings: ["synchronous_standby_names = 'replica'"])
        defer { cluster.end() }
        // Until there is a standby, what waits for one would wait.
        try cluster.startStandby(named: "replica")
        let service = try cluster.makeDatabase()
        let keyFile = NSTemporaryDirectory() + "tokenvault-key-" + UUID().uuidString
        defer { unlink(keyFile) }
        try Vault.createKeyFile(at: keyFile)
        let vault = try await Vault.create(
            at: .postgres(service: service), unlockedBy: .keyFile(path: keyFile))
        _ = try await vault.users.add("anna")
        try cluster.demandStandby("")
        // The session of the vault is told a moment after new ones are.
        try await Waiting.pass(.milliseconds(500))
        await #expect(throws: VaultError(.unavailable, "")) { _ = try await vault.users.add("berta") }
        _ = try await vault.users.disable("anna")
        let names = try await vault.users.list().map(\.name)
        #expect(names == ["anna"])
        await vault.close()
    }
}
