import Logging
import SQLiteStore
import Synchronization
package import VaultCore
import VaultCrypto
import VaultStore

/// What this process met of its vault that is not what was written. It serves what is whole, and is not ready
/// until it is started again.
final class DamageNotes: Sendable {
    /// Past this many the log has said enough.
    private static let capacity = 100
    private let seen = Mutex<Set<String>>([])
    private let damagedRows = Mutex(0)

    var isEmpty: Bool { seen.withLock { $0.isEmpty } }
    /// Rows that are not what the log says, by the last pass that ended, or by the running one.
    var rows: Int {
        get { damagedRows.withLock { $0 } }
        set { damagedRows.withLock { $0 = newValue } }
    }

    /// Tells the operator, once of each.
    func note(_ error: VaultError, _ logger: Logger) {
        let isNew = seen.withLock { seen in
            seen.count < Self.capacity && seen.insert(error.message).inserted
        }
        if isNew { logger.critical("The vault is damaged.", metadata: ["error": "\(error)"]) }
    }
}

extension Vault {
    /// An answer had to be refused because of what is stored: says so in the log, and ends readiness.
    package func noteDamage(_ error: VaultError) { damage.note(error, logger) }

    /// Why nothing is read or written any more: the store lost what this process committed. Nil while it goes on.
    package var end: VaultError? { liveKeys.end }

    /// Whether that happened since the vault was opened, or a row was found that is not what the log says.
    package var isDamaged: Bool { !damage.isEmpty || damagedRows > 0 }

    /// Rows that are not what the last entry naming them says, as far as a pass over them found out.
    package var damagedRows: Int {
        get { damage.rows }
        set { damage.rows = newValue }
    }

    /// Why a grant that an authentic token names is not there.
    ///
    /// - Returns: whether its number was not given out yet, so that the token is newer than the database. If not, the
    ///   grant ended and was deleted a week later, or a restore lost it. A code is not worth waiting for in any case.
    /// - Throws: ``VaultError/Code/integrity`` when the row must be there, since the token is not over; ``isBehind(_:)``
    ///   instead of true where the store is remote.
    func isAhead(_ handle: TokenHandle) async throws -> Bool {
        try await snapshot { [self] database, keys in
            let vault = try VaultRow.read(database, rowKey: keys.keyring.rows)
            guard handle.grant.rawValue < vault.nextGrantID else {
                if store.isRemote { throw try isBehind(database) }
                return true
            }
            // Where the clock was ahead for a while, the grant may have been deleted then.
            let now = max(clock.now(), try LogHead.read(database).lastTime)
            guard handle.kind != .authorizationCode, now < handle.endsAt,
                try !database.restoreLost(handle, keys.keyring)
            else { return false }
            throw LostRow.error(.grants, handle.grant.rawValue)
        }
    }

    /// A token is newer than the database, which is an older copy or lost its WAL. A vault that was restored
    /// knows that it is older than some tokens: no damage then, though no answer either.
    package func databaseIsBehind() async -> VaultError {
        do { return try await read { [self] in try isBehind($0, isProven: true) } } catch {
            return store.translate(error)
        }
    }

    /// - Parameter isProven: a commit showed it. What was only read may be of a server that was replaced.
    func isBehind(_ database: Database, isProven: Bool = false) throws -> VaultError {
        let message = "A client holds a token that is newer than the database: nothing was changed."
        guard try database.newestIncarnation() == .first else {
            return VaultError(
                .unavailable, message, remedy: "The vault was restored: revoke the grants of such tokens.")
        }
        guard isProven || !store.isRemote else { return VaultError.serverWasReplaced }
        return VaultError(
            .integrity, message,
            remedy: "An older copy was put back, or a WAL was lost: put the newest database back.")
    }
}
