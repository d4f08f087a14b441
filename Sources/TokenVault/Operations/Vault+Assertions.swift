import GRDB
package import VaultCore
import VaultCrypto

extension Vault {
    /// Remembers that a client used an assertion; true exactly once for each of a client's identifiers (`jti`), however
    /// many processes ask (RFC 7523 section 3, item 7).
    ///
    /// - Parameter end: when the assertion expires, after which nobody accepts it anyhow.
    package func useAssertion(
        _ identifier: String, of client: OwnerID, until end: VaultInstant
    ) async throws -> Bool {
        var value: [UInt8] = []
        value.append(bigEndian: client.rawValue)
        value += identifier.utf8
        let tag = keyring.lookup.tag(.assertion, of: value)
        // A clock that is set back must not bring a used one back to life.
        let forgottenAt = end.advanced(by: Limits.assertionRetention)
        return try await housekeep { transaction in
            try transaction.purge("used_assertions")
            try transaction.database.run(
                "INSERT INTO used_assertions (id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [.blob(tag), SQLValue(forgottenAt)])
            transaction.noteUnloggedChange()
            return transaction.database.changesCount == 1
        }
    }
}
