import VaultCore
import VaultCrypto

/// Table numbers in the AAD of sealed fields and wraps.
///
/// Tagged tables use their layout's number.
enum SealedTable {
    static let keyslots = TableLayout.keyslots.number
    static let systemKeys = TableLayout.systemKeys.number
    static let owners = TableLayout.owners.number
    static let grants = TableLayout.grants.number
    static let auditPersonal: UInt16 = 7

    /// The domain of every sealed field of the database; key wraps have their own.
    static let fieldDomain = "tokenvault.field"
    static let wrapDomain = "tokenvault.wrap"
}
