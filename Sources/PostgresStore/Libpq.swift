import CPostgres
import VaultCore

/// The library that speaks with PostgreSQL, opened when it is first asked for.
enum Libpq {
    /// - Throws: ``VaultError/Code/unavailable`` where it is not installed.
    static var functions: tv_pq {
        get throws {
            guard let found = tv_pq_open() else {
                throw VaultError(
                    .unavailable, "The library libpq (libpq.so.5, version 14 or later) is not installed.",
                    remedy: "Install it: the package libpq5 on Debian and Ubuntu, libpq elsewhere.")
            }
            return found.pointee
        }
    }
}

/// What PostgreSQL says of a statement that failed, or that it says nothing any more. Its messages are left out: they quote
/// what is in a row.
struct PostgresError: Error, Equatable {
    /// Five characters; 08006 where the connection was lost or no answer came in time.
    let state: String
    /// Which statement of the turn it was; nil: the connection itself.
    var place: Int?

    static let lost = PostgresError(state: "08006")
    /// The lock of writers is not to be had in time.
    static let heldLock = PostgresError(state: "55P03")

    /// Whether the connection is not to be used again: it is lost, or the server is going down, or a standby by now; or what
    /// was prepared on it does not fit the tables any more (0A000), or is gone (26000).
    var endsConnection: Bool {
        state.hasPrefix("08") || state.hasPrefix("57P")
            || ["25006", "25P03", "XX000", "0A000", "26000"].contains(state)
    }

    /// Whether space or the machine failed, and with it the whole transaction.
    var concernsStorage: Bool {
        endsConnection || ["53", "58", "XX"].contains { state.hasPrefix($0) }
    }

    /// A count that had to be 1 was 0.
    var isMissingRow: Bool { state == "22012" }

    var isLockTimeout: Bool { state == "55P03" }
}

/// Turns what PostgreSQL says into errors that say what to do.
enum PostgresFailure {
    static func translate(_ error: any Error) -> VaultError {
        if let error = error as? VaultError { return error }
        if let error = error as? PostgresTransaction.NotApplied { return translate(error.cause) }
        if error is PostgresTransaction.Uncertain {
            return VaultError(
                .outcomeUnknown,
                "The database server did not answer a commit; it is unknown whether it was made.",
                remedy: "Look whether the vault is there before you begin again, and check the server.")
        }
        guard let error = error as? PostgresError else {
            return VaultError(.internalError, "Unexpected failure of type \(type(of: error)).")
        }
        return switch error.state {
        case "53100":
            VaultError(
                .outOfSpace, "The disk of the database server is full; nothing was changed.",
                remedy: "Free some space on the database server; the vault goes on by itself.")
        case "55P03", "40001", "40P01":
            VaultError(
                .busy, "Another process is writing to this vault.", remedy: "Try again in a moment.")
        case "25006":
            VaultError(
                .unavailable, "The database server is a standby now; nothing was changed.",
                remedy: "Try again in a moment: the vault looks for the primary.")
        case "42501":
            VaultError(
                .permissionDenied, "The database role may not do this (SQLSTATE 42501).",
                remedy:
                    "Use a role with the rights that this needs, or the owner of the schema \(PostgresSchema.name)."
            )
        case "58030", "58P01":
            VaultError(
                .ioFailure, "A disk of the database server failed; nothing was changed.",
                remedy: "Check the server's disks and its log.")
        case "XX001", "XX002":
            VaultError(
                .integrity, "The database is damaged (SQLSTATE \(error.state)).",
                remedy: "Stop the service, keep a copy of the database, and restore a backup.")
        case let state where error.endsConnection || state.hasPrefix("53") || state.hasPrefix("57"):
            VaultError(
                .unavailable,
                "The database server does not answer, or is starting or stopping (SQLSTATE \(state)).",
                remedy: "Try again in a moment; if it persists, check the server and its log.")
        case let state where state.hasPrefix("22") || state.hasPrefix("23") || state.hasPrefix("42"):
            // Our statements are the same for every vault: it is the tables that are not.
            VaultError(
                .integrity, "The database differs from what was written (SQLSTATE \(state)).",
                remedy: "Verify the audit log, examine the vault, then restore a backup.")
        default:
            VaultError(.internalError, "PostgreSQL refused a statement (SQLSTATE \(error.state)).")
        }
    }
}
