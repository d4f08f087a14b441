import CSodium
package import VaultCore

/// What a tag is of: the personal string that keeps tags of one value in two columns apart.
package struct TagPurpose: RawRepresentable, Sendable, Hashable {
    /// At most 16 ASCII bytes, fixed in the code and permanent: stored tags depend on it.
    package let rawValue: String

    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// A token or code that we issued.
    package static let token = TagPurpose(rawValue: "tv.token")
    /// The family secret of a grant.
    package static let familySecret = TagPurpose(rawValue: "tv.family")
    /// A machine-made client secret.
    package static let clientSecret = TagPurpose(rawValue: "tv.client-secret")
    /// Lookup of a user by name.
    package static let userName = TagPurpose(rawValue: "tv.user-name")
    /// Lookup of a client by identifier.
    package static let clientID = TagPurpose(rawValue: "tv.client-id")
    /// An assertion that a client used, by client and `jti`.
    package static let assertion = TagPurpose(rawValue: "tv.assertion")
    /// Lookup of a connection by provider, owner and label.
    package static let connection = TagPurpose(rawValue: "tv.connection")
    /// `state` of an authorization request of ours at a provider.
    package static let authorizationState = TagPurpose(rawValue: "tv.state")
    /// The browser session that an authorization request belongs to.
    package static let browserSession = TagPurpose(rawValue: "tv.session")
    /// Lookup of a client by name.
    package static let clientName = TagPurpose(rawValue: "tv.client-name")
}

/// Keyed BLAKE2b: finds or recognises a value without storing it, and seals the columns of a row.
package struct TagKey: Sendable {
    package static let tagBytes = 16
    package static let rowTagBytes = 32
    private static let rowPersonal = Personal("TokenVault.rtag1")

    /// Stored beside every tag, so that tags of an older key are known as such.
    package let id: UInt8
    private let key: GuardedKey

    package init(id: UInt8, key: GuardedKey) {
        self.id = id
        self.key = key
    }

    /// 16 bytes that equal values share, within one purpose and key.
    package func tag(_ purpose: TagPurpose, of bytes: [UInt8]) -> [UInt8] {
        BLAKE2b.hash(bytes, count: Self.tagBytes, key: key, personal: Personal(purpose.rawValue))
    }

    package func tag(_ purpose: TagPurpose, of secret: SecretBytes) -> [UInt8] {
        secret.withExposed { tag(purpose, of: $0) }
    }

    /// 32 bytes over the canonical spelling of a row: table, id and all its columns.
    package func rowTag(over bytes: [UInt8]) -> [UInt8] {
        BLAKE2b.hash(bytes, count: Self.rowTagBytes, key: key, personal: Self.rowPersonal)
    }
}
