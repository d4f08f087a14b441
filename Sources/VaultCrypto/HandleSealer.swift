import CSodium
package import VaultCore

/// What a token of ours is: its kind is in its prefix and in the handle's associated data.
package enum TokenKind: UInt8, Sendable, CaseIterable {
    case accessToken = 1
    case refreshToken = 2
    case authorizationCode = 3

    /// Six ASCII characters that name the kind to people and to secret scanners.
    package var prefix: String {
        switch self {
        case .accessToken: "tv_at_"
        case .refreshToken: "tv_rt_"
        case .authorizationCode: "tv_ac_"
        }
    }
}

/// What is inside a token: the grant, the generation that made it, the grant's random family secret, and when the token
/// was issued and ends.
package struct TokenHandle: Sendable, Equatable {
    package static let familySecretBytes = 16
    private static let minute: Int64 = 60_000
    package let kind: TokenKind
    package let grant: GrantID
    package let generation: UInt32
    /// 16 bytes, drawn when the grant was made.
    package let familySecret: [UInt8]
    /// Minutes since 1970 (UTC), rounded down.
    package let issued: UInt32
    /// Minutes since 1970 (UTC), rounded up: the token is over at this minute at the latest.
    package let ends: UInt32

    /// The token is good from `issuedAt` to `endsAt`, which are clamped to the minutes that a handle can say.
    package init(
        kind: TokenKind, grant: GrantID, generation: UInt32, familySecret: [UInt8],
        from issuedAt: VaultInstant, until endsAt: VaultInstant
    ) {
        let issued = UInt32(clamping: issuedAt.millisecondsSince1970 / Self.minute)
        let ends = UInt32(
            clamping: endsAt.advanced(by: .milliseconds(Self.minute - 1)).millisecondsSince1970 / Self.minute)
        self.init(
            kind: kind, grant: grant, generation: generation, familySecret: familySecret, issued: issued,
            ends: max(issued, ends))
    }

    package init(
        kind: TokenKind, grant: GrantID, generation: UInt32, familySecret: [UInt8], issued: UInt32,
        ends: UInt32
    ) {
        precondition(familySecret.count == Self.familySecretBytes, "a family secret has 16 bytes")
        self.kind = kind
        self.grant = grant
        self.generation = generation
        self.familySecret = familySecret
        self.issued = issued
        self.ends = ends
    }

    /// As a token of the same grant at another generation would be.
    package func moved(to generation: UInt32) -> TokenHandle {
        TokenHandle(
            kind: kind, grant: grant, generation: generation, familySecret: familySecret, issued: issued,
            ends: ends)
    }

    package var issuedAt: VaultInstant { VaultInstant(millisecondsSince1970: Int64(issued) * Self.minute) }
    package var endsAt: VaultInstant { VaultInstant(millisecondsSince1970: Int64(ends) * Self.minute) }
}

extension TokenHandle: CustomStringConvertible, CustomReflectable {
    /// Everything but the secret, for test failures and diagnostics.
    package var description: String { "\(kind) of grant \(grant), generation \(generation)" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Makes and opens tokens: every token is a sealed ``TokenHandle``, so a forged one costs no disk access.
///
/// ```
/// bytes = key id 1 ‖ nonce 24 ‖ XChaCha20-Poly1305(handle key, AD = kind ‖ vault id,
///             m = grant 8 ‖ generation 4 ‖ family secret 16 ‖ issued 4 ‖ ends 4 ‖ zero 1) 53
/// text  = prefix ‖ base64url(bytes)      110 characters
/// ```
///
/// All handle keys are known by id: `current` makes, every one opens.
package struct HandleSealer: Sendable {
    private static let prefixCount = 6
    private static let sealedCount = 1 + 24 + plaintextCount + 16
    /// The last octet is reserved and zero.
    private static let plaintextCount = 8 + 4 + TokenHandle.familySecretBytes + 4 + 4 + 1
    /// 78 bytes are 104 characters without spare bits: a token has one spelling.
    private static let encodedCount = SecretBase64URL.encodedCount(sealedCount)
    package static let textCount = prefixCount + encodedCount

    private let current: UInt8
    private let currentKey: GuardedKey
    /// By id; unknown ids hold a random key, so that they cost what a forged token under a known id costs.
    private let keys: [GuardedKey]
    private let known: [Bool]
    /// `kind ‖ vault id`, by kind.
    private let associatedData: [[UInt8]]
    private let prefixes: [[UInt8]]

    /// Throws `.invalidInput` when `current` is not among `keys`.
    package init(vault: VaultID, keys: [UInt8: GuardedKey], current: UInt8) throws(VaultError) {
        guard let currentKey = keys[current] else {
            throw VaultError(.invalidInput, "There is no token handle key \(current).")
        }
        self.current = current
        self.currentKey = currentKey
        let decoy = GuardedKey.random()
        self.keys = (UInt8.min...UInt8.max).map { keys[$0] ?? decoy }
        known = (UInt8.min...UInt8.max).map { keys[$0] != nil }
        let kinds = (0...UInt8(TokenKind.allCases.count)).map { TokenKind(rawValue: $0) }
        associatedData = kinds.map { kind in kind.map { [$0.rawValue] + vault.bytes } ?? [] }
        prefixes = kinds.map { kind in kind.map { Array($0.prefix.utf8) } ?? [] }
    }

    /// The token's ASCII text. Two calls never give the same token.
    package func seal(_ handle: TokenHandle) -> SecretBytes {
        seal(handle, nonce: nil, reserved: 0)
    }

    /// The same with a chosen nonce, for format vectors: nil draws one. The nonce is the token's entropy. A reserved octet
    /// that is not zero makes a token that no reader opens.
    @_spi(ChosenNonce) public func seal(
        _ handle: TokenHandle, nonce chosen: [UInt8]?, reserved: UInt8 = 0
    ) -> SecretBytes {
        var plaintext: [UInt8] = []
        plaintext.reserveCapacity(Self.plaintextCount)
        plaintext.append(bigEndian: handle.grant.rawValue)
        plaintext.append(bigEndian: handle.generation)
        plaintext.append(contentsOf: handle.familySecret)
        plaintext.append(bigEndian: handle.issued)
        plaintext.append(bigEndian: handle.ends)
        plaintext.append(reserved)
        let text = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.sealedCount) {
            buffer in
            guard let sealed = buffer.baseAddress else { return [UInt8]() }
            unsafe sealed[0] = current
            let nonce = unsafe sealed.advanced(by: 1)
            unsafe CommittingRecord.write(nonce: chosen, to: nonce)
            let data = associatedData[Int(handle.kind.rawValue)]
            unsafe currentKey.withPointer { key in
                _ = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                    sealed.advanced(by: 25), nil, plaintext, UInt64(Self.plaintextCount),
                    data, UInt64(data.count), nil, nonce, key)
            }
            return unsafe encode(sealed, as: handle.kind)
        }
        Sodium.wipe(&plaintext)
        return SecretBytes(text)
    }

    /// Nil for anything that we did not make as a token of this kind in this vault.
    package func open(_ token: SecretBytes, as kind: TokenKind) -> TokenHandle? {
        token.withExposed { text in
            unsafe withUnsafeTemporaryAllocation(
                of: UInt8.self, capacity: Self.sealedCount + Self.plaintextCount
            ) { buffer in
                guard let sealed = buffer.baseAddress else { return nil }
                unsafe sealed.update(repeating: 0, count: Self.sealedCount)
                let spelled = unsafe decode(text, as: kind, into: sealed)
                // A text that is no token goes through the cipher as zeros: refusals take one time.
                let plaintext = unsafe sealed.advanced(by: Self.sealedCount)
                let keyID = unsafe Int(sealed[0])
                let opened = unsafe decrypt(sealed, with: keys[keyID], as: kind, into: plaintext)
                guard spelled, known[keyID], opened else { return nil }
                defer { unsafe sodium_memzero(plaintext, Self.plaintextCount) }
                return unsafe Self.handle(
                    UnsafeBufferPointer(start: plaintext, count: Self.plaintextCount), kind)
            }
        }
    }

    /// Whether `token` is spelled like one of ours but names a key that this sealer does not know: it may come from a
    /// keyring that is newer.
    package func namesUnknownKey(_ token: SecretBytes, as kind: TokenKind) -> Bool {
        token.withExposed { text in
            unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.sealedCount) { buffer in
                guard let sealed = buffer.baseAddress, unsafe decode(text, as: kind, into: sealed) else {
                    return false
                }
                return unsafe !known[Int(sealed[0])]
            }
        }
    }

    private func decrypt(
        _ sealed: UnsafePointer<UInt8>, with key: GuardedKey, as kind: TokenKind,
        into plaintext: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        let data = associatedData[Int(kind.rawValue)]
        return unsafe key.withPointer { key in
            unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                plaintext, nil, nil, sealed.advanced(by: 25), UInt64(Self.sealedCount - 25),
                data, UInt64(data.count), sealed.advanced(by: 1), key) == 0
        }
    }
}

extension HandleSealer {
    private func encode(_ sealed: UnsafePointer<UInt8>, as kind: TokenKind) -> [UInt8] {
        // One more than the text: the codec ends it with a zero.
        unsafe [UInt8](unsafeUninitializedCapacity: Self.textCount + 1) { text, initialized in
            guard let base = text.baseAddress else { return }
            unsafe base.update(from: prefixes[Int(kind.rawValue)], count: Self.prefixCount)
            unsafe SecretBase64URL.encode(sealed, count: Self.sealedCount, to: base + Self.prefixCount)
            initialized = Self.textCount
        }
    }

    /// Whether `text` is spelled like a token of this kind; `sealed` then holds its 78 bytes.
    private func decode(_ text: [UInt8], as kind: TokenKind, into sealed: UnsafeMutablePointer<UInt8>) -> Bool
    {
        guard text.count == Self.textCount else { return false }
        return unsafe text.withUnsafeBufferPointer { text in
            guard unsafe text.starts(with: prefixes[Int(kind.rawValue)]), let base = text.baseAddress else {
                return false
            }
            return unsafe SecretBase64URL.decode(base + Self.prefixCount, to: sealed, count: Self.sealedCount)
        }
    }

    /// Nil for a handle that this version does not make.
    private static func handle(_ plaintext: UnsafeBufferPointer<UInt8>, _ kind: TokenKind) -> TokenHandle? {
        let issued: UInt32 = unsafe plaintext[28..<32].bigEndian()
        let ends: UInt32 = unsafe plaintext[32..<36].bigEndian()
        guard unsafe plaintext[36] == 0, issued <= ends else { return nil }
        return unsafe TokenHandle(
            kind: kind,
            grant: GrantID(plaintext[0..<8].bigEndian()),
            generation: plaintext[8..<12].bigEndian(),
            familySecret: Array(plaintext[12..<28]), issued: issued, ends: ends)
    }
}
