package import Logging
package import VaultCore
package import VaultStore

/// A vault in a PostgreSQL database, which any number of machines may have open.
package final class PostgresStore: @unchecked Sendable {
    package let place: PostgresPlace

    /// Opens an existing vault.
    package convenience init(at place: PostgresPlace, logger: Logger) throws {
        fatalError("to come")
    }

    private init(_ place: PostgresPlace) { self.place = place }

    /// Makes the tables in a database that has none of ours, and what `body` puts into them.
    ///
    /// - Parameter isSingle: no standby is wanted: a commit counts when the one server has it.
    package static func create(
        at place: PostgresPlace, isSingle: Bool, logger: Logger, at now: VaultInstant,
        _ body: (any StoreTransaction) throws -> Void
    ) throws -> PostgresStore {
        fatalError("to come")
    }
}
