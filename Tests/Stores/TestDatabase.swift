import Logging
package import PostgresStore
package import TestSupport
package import TokenVault
import VaultCore
package import VaultCrypto

/// A PostgreSQL database of one test, whose time is that of the test's clock.
package final class TestDatabase: Sendable {
    package let cluster: PostgresCluster
    package let service: String
    private let roles: VaultRoles

    /// - Parameter roles: who uses the vault: for one role that is the user of the server that the documentation makes for
    ///   it, which may do no more than it says.
    package init(for roles: VaultRoles = .everything) throws {
        cluster = try PostgresCluster.shared.get()
        service = try cluster.makeDatabase()
        self.roles = roles
    }

    deinit { cluster.giveBack(service) }

    package func makeVault(
        unlockedBy source: KeySource, _ configuration: VaultConfiguration
    ) async throws -> Vault {
        let store = try PostgresStore.create(
            at: PostgresPlace(service: service), isSingle: true, logger: configuration.logger,
            at: configuration.clock.now(), usesMachineClock: true,
            Vault.beginning(unlockedBy: source, configuration: configuration))
        guard roles == .everything else {
            try store.close()
            try cluster.makeUsers(in: service)
            return try await open(unlockedBy: source, configuration)
        }
        return try await Vault.open(in: store, unlockedBy: source, configuration: configuration)
    }

    /// - Parameter isWhole: as the owner of all tables, whoever else uses the vault.
    package func open(
        unlockedBy source: KeySource, _ configuration: VaultConfiguration, isWhole: Bool = false
    ) async throws -> Vault {
        let roles = isWhole ? .everything : roles
        return try await Vault.open(
            in: open(for: roles), unlockedBy: source, configuration: configuration, for: roles)
    }

    package func open(for roles: VaultRoles = .everything) throws -> PostgresStore {
        let name = roles == .everything ? service : PostgresCluster.user(for: roles.rawValue, of: service)
        return try PostgresStore(
            at: PostgresPlace(service: name), logger: Logger(label: "test"), usesMachineClock: true)
    }
}
