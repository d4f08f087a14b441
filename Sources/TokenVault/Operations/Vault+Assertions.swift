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
        // A clock that is set back must not bring a used one back to life.
        let forgottenAt = end.advanced(by: Limits.assertionRetention)
        return try await housekeep { [value] transaction in
            try transaction.purge("used_assertions")
            let tags = transaction.keyring.lookup.tags(.assertion, of: value)
            for tag in tags.dropFirst() where try transaction.database.isAssertionUsed(tag) { return false }
            try transaction.database.run(
                "INSERT INTO used_assertions (id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [.blob(tags[0]), SQLValue(forgottenAt)])
            transaction.noteUnloggedChange()
            return transaction.database.changesCount == 1
        }
    }
}

extension Database {
    fileprivate func isAssertionUsed(_ tag: [UInt8]) throws -> Bool {
        try firstRow("SELECT 1 FROM used_assertions WHERE id = ?", [.blob(tag)]) { _ in true } ?? false
    }
}
