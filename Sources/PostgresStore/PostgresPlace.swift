import VaultCore

/// A vault in a PostgreSQL database: the name of a connection service, as libpq's service file has it.
package struct PostgresPlace: Sendable, Hashable {
    package let service: String

    /// - Throws: ``VaultError/Code/invalidInput`` for what is no name of a service: a URI or a list of settings could have a
    ///   password in it.
    package init(service: String) throws {
        guard VaultPlace.isServiceName(service) else {
            throw VaultError(
                .invalidInput,
                "A vault on PostgreSQL is named by a connection service: 1 to 64 of A-Z a-z 0-9 _ . -.",
                remedy:
                    "Describe the connection in a service file (PGSERVICEFILE), the password in a password file, and name the service."
            )
        }
        self.service = service
    }

    /// As people name it.
    package var name: String { "postgres:" + service }
}
