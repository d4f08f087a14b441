import CSodium
package import VaultCore

/// The 16 bytes of BLAKE2b's personalization: a short ASCII name, zero padded, that keeps uses of a key
/// apart.
struct Personal: Sendable {
    static let byteCount = 16
    private let words: (UInt64, UInt64)

    /// Names are fixed in the code, so one that does not fit is a defect.
    init(_ name: String) {
        let utf8 = name.utf8
        precondition(
            utf8.count <= Self.byteCount && utf8.allSatisfy { $0 > 0 && $0 < 128 }, "1 to 16 ASCII bytes")
        var words: (UInt64, UInt64) = (0, 0)
        unsafe withUnsafeMutableBytes(of: &words) { unsafe $0.copyBytes(from: utf8) }
        self.words = words
    }

    @inline(__always)
    func withPointer<R>(_ body: (UnsafePointer<UInt8>) -> R) -> R {
        unsafe withUnsafePointer(to: words) { pointer in
            unsafe pointer.withMemoryRebound(to: UInt8.self, capacity: Self.byteCount) { unsafe body($0) }
        }
    }
}

/// Keyed BLAKE2b with a personalization and no salt (RFC 7693; the parameter block of the BLAKE2 paper,
/// section 2.5).
enum BLAKE2b {
    @inline(__always)
    static func hash(
        into output: UnsafeMutablePointer<UInt8>, count: Int,
        _ input: UnsafeBufferPointer<UInt8>, key: GuardedKey, personal: Personal
    ) {
        unsafe key.withPointer { key in
            unsafe personal.withPointer { personal in
                // Fails only for lengths out of range, and all of them are constants of this module.
                _ = unsafe crypto_generichash_blake2b_salt_personal(
                    output, count, input.baseAddress, UInt64(input.count),
                    key, GuardedKey.byteCount, nil, personal)
            }
        }
    }

    static func hash(_ input: [UInt8], count: Int, key: GuardedKey, personal: Personal) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            guard let base = output.baseAddress else { return }
            unsafe input.withUnsafeBufferPointer { input in
                unsafe hash(into: base, count: count, input, key: key, personal: personal)
            }
            initialized = count
        }
    }
}

/// What a tag is of: the personal string that keeps tags of one value in two columns apart. At most 16 ASCII bytes,
/// and permanent: stored tags depend on it.
package enum TagPurpose: String, Sendable, CaseIterable {
    /// A token or code that we issued.
    case token = "tv.token"
    /// The family secret of a grant.
    case familySecret = "tv.family"
    /// A machine-made client secret.
    case clientSecret = "tv.client-secret"
    /// Lookup of a user by name.
    case userName = "tv.user-name"
    /// Lookup of a client by identifier.
    case clientID = "tv.client-id"
    /// An assertion that a client used, by client and `jti`.
    case assertion = "tv.assertion"
    /// Lookup of a connection by provider, owner and label.
    case connection = "tv.connection"
    /// Lookup of connections by provider and the provider's subject.
    case connectionSubject = "tv.account"
    /// `state` of an authorization request of ours at a provider.
    case authorizationState = "tv.state"
    /// The browser session that an authorization request belongs to.
    case browserSession = "tv.session"
    /// Lookup of a client by name.
    case clientName = "tv.client-name"
    /// How far the log was exported.
    case exportedLog = "tv.exported-log"
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
    package func rowTag(over row: UnsafeRawBufferPointer) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: Self.rowTagBytes) { output, initialized in
            unsafe writeRowTag(over: row, to: output)
            initialized = Self.rowTagBytes
        }
    }

    /// Compares in constant time.
    package func isRowTag(_ stored: UnsafeRawBufferPointer, over row: UnsafeRawBufferPointer) -> Bool {
        guard stored.count == Self.rowTagBytes else { return false }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.rowTagBytes) { tag in
            unsafe writeRowTag(over: row, to: tag)
            return unsafe sodium_memcmp(tag.baseAddress, stored.baseAddress, Self.rowTagBytes) == 0
        }
    }

    @inline(__always)
    private func writeRowTag(
        over row: UnsafeRawBufferPointer, to output: UnsafeMutableBufferPointer<UInt8>
    ) {
        guard let base = output.baseAddress else { preconditionFailure("no room for a tag") }
        unsafe BLAKE2b.hash(
            into: base, count: Self.rowTagBytes, row.bindMemory(to: UInt8.self), key: key,
            personal: Self.rowPersonal)
    }
}

/// The name of a user towards clients (`sub`): under no key, so that it survives every rotation of keys. `u_`
/// ‖ base64url(BLAKE2b-128(personal `tv.subject`, vault id ‖ owner id))
package enum SubjectIdentifier {
    /// No client identifier begins with it.
    package static let prefix = "u_"
    private static let personal = Personal("tv.subject")

    package static func of(_ owner: OwnerID, in vault: VaultID) -> String {
        Sodium.require()
        var input = vault.bytes
        input.append(bigEndian: owner.rawValue)
        var hash = [UInt8](repeating: 0, count: 16)
        unsafe personal.withPointer { personal in
            // Fails only for lengths out of range, and all of them are constants.
            _ = unsafe crypto_generichash_blake2b_salt_personal(
                &hash, 16, input, UInt64(input.count), nil, 0, nil, personal)
        }
        return prefix + Base64URL.encodeToString(hash)
    }
}
