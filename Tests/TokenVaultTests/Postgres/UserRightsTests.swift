import Foundation
import TestStores
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

/// The users that docs/scale-out.md makes, by its statements.
@Suite(.bounded, .withServer)
struct `On PostgreSQL issuer and keeper are users of the server, who may do no more than their work` {
    private static let users = ["issuer", "keeper"]

    /// A vault with a grant and a connection.
    private final class Scene: Sendable {
        let database: TestDatabase
        let vault: Vault
        let party: Party
        let tokens: IssuedTokens
        let connection: ConnectionID
        private let configuration = VaultConfiguration(clock: SettableClock())
        private let key: KeySource

        init() async throws {
            key = try .heldKey(.random())
            database = try TestDatabase(for: .keeper)
            let keeper = try await database.makeVault(unlockedBy: key, configuration)
            let whole = try await database.open(unlockedBy: key, configuration, isWhole: true)
            party = try await Party(whole)
            tokens = try await party.begin()
            let provider = try await keeper.addProvider(
                "provider", definition: "{}", credentials: Secret(copying: "secret")
            ).id
            var pair = NewTokens(accessToken: Secret(copying: "access"))
            pair.refreshToken = Secret(copying: "refresh")
            connection = try await keeper.storeConnection(
                ConnectionGrant(provider, party.user.id, label: "", tokens: pair)
            ).id
            await keeper.close()
            vault = whole
        }

        /// With the keys of all roles: what is refused is refused by the server.
        func open(as user: VaultRoles) async throws -> Vault {
            try await Vault.open(
                in: database.open(for: user), unlockedBy: key, configuration: configuration)
        }

        func may(_ user: String, _ right: String, _ table: String) throws -> Bool {
            try PostgresCluster.shared.get().run(
                "SELECT has_table_privilege('tokenvault_\(user)', 'tokenvault.\(table)', '\(right)')",
                in: database.service) == "t"
        }
    }

    @Test func `with every key in its hands, neither gets at the other's tokens`() async throws {
        let scene = try await Scene()
        let issuer = try await scene.open(as: .issuer)
        let next = try #require(await scene.party.refresh(scene.tokens.refreshToken, in: issuer).issued)
        #expect(try await issuer.validate(next.pair.accessToken) != nil)
        await #expect(throws: VaultError(.permissionDenied, "")) {
            try await issuer.heldConnection(scene.connection)
        }
        await #expect(throws: VaultError(.permissionDenied, "")) {
            try await issuer.removeConnection(scene.connection)
        }
        await #expect(throws: VaultError(.permissionDenied, "")) {
            try await issuer.changeProvider("provider", definition: "{\"changed\":1}")
        }
        await issuer.close()

        let keeper = try await scene.open(as: .keeper)
        #expect(try await keeper.heldConnection(scene.connection).pair != nil)
        _ = try await keeper.changeProvider("provider", definition: "{\"changed\":1}")
        await #expect(throws: VaultError(.permissionDenied, "")) {
            try await keeper.validate(next.pair.accessToken)
        }
        await #expect(throws: VaultError(.permissionDenied, "")) {
            try await scene.party.refresh(next.refreshToken, in: keeper)
        }
        await #expect(throws: VaultError(.permissionDenied, "")) {
            try await keeper.clients.rotateSecret(of: "app", overlap: .zero)
        }
        await keeper.close()
        // Nothing of what was refused was done.
        #expect(try await scene.party.refresh(next.refreshToken, in: scene.vault).issued != nil)
        #expect(try await scene.vault.log.verify().isIntact)
        await scene.vault.close()
    }

    @Test func `what is the other's is closed, and what both need cannot be rewritten`() async throws {
        let scene = try await Scene()
        let all = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
        let secrets = [
            "keeper": ["grants", "consents", "passwords", "sign_in_sessions", "used_assertions"],
            "issuer": ["connections", "authorization_requests", "webhook_cursors"],
        ]
        let registry = [
            "keeper": ["clients", "client_secrets", "signing_keys"], "issuer": ["providers", "webhooks"],
        ]
        for user in Self.users {
            for table in secrets[user, default: []] + ["backups", "jobs"] {
                for right in all { #expect(try !scene.may(user, right, table), "\(user) \(right) \(table)") }
            }
            for table in registry[user, default: []] + [
                "keyslots", "keyslot_details", "role_keys", "system_keys", "schema_migrations",
                "incarnations",
            ] {
                for right in all.dropFirst() {
                    #expect(try !scene.may(user, right, table), "\(user) \(right) \(table)")
                }
            }
            for table in ["audit_leaves", "audit_tiles", "audit_personal", "owner_keys"] {
                for right in all.dropFirst(2) {
                    #expect(try !scene.may(user, right, table), "\(user) \(right) \(table)")
                }
            }
            #expect(try !scene.may(user, "SELECT", "audit_personal"))
            #expect(throws: PostgresCluster.Failure.self) {
                try PostgresCluster.shared.get().run(
                    "CREATE TABLE tokenvault.mine (id int)", in: scene.database.service,
                    as: "tokenvault_" + user)
            }
        }
        await scene.vault.close()
    }
}
