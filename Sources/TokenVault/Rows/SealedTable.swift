import VaultCore
import VaultCrypto

/// Table numbers in the AAD of sealed fields and wraps. Tagged tables use their layout's number.
enum SealedTable {
    static let owners = TableLayout.owners.number
    static let grants = TableLayout.grants.number
    static let auditPersonal: UInt16 = 7
    static let signingKeys = TableLayout.signingKeys.number
    static let passwords = TableLayout.passwords.number
    /// The cookie of a sign-in session: of its table's one kind of value, but not in it.
    static let signInCookies: UInt16 = 12
    /// State that others keep for us for a while; no table at all.
    static let sealedState: UInt16 = 13
    static let providers = TableLayout.providers.number
    static let connections = TableLayout.connections.number
    static let authorizationRequests = TableLayout.authorizationRequests.number
    static let webhooks = TableLayout.webhooks.number

    /// The domain of every sealed field of the database; key wraps have their own.
    static let fieldDomain = "tokenvault.field"
    static let wrapDomain = "tokenvault.wrap"
}
