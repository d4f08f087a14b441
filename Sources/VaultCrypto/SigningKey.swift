import CSodium

/// An Ed25519 key pair (RFC 8032) kept as its seed.
package struct SigningKey: Sendable {
    package let seed: GuardedKey
    /// 32 bytes.
    package let publicKey: [UInt8]

    package init(seed: GuardedKey) {
        self.seed = seed
        publicKey = unsafe Self.withPair(of: seed) { publicKey, _ in
            unsafe Array(UnsafeBufferPointer(start: publicKey, count: Ed25519.publicKeyBytes))
        }
    }

    /// The 64 bytes of the signature; the same for the same message.
    package func sign(_ message: [UInt8]) -> [UInt8] {
        // libsodium's secret key is the seed followed by the public key: composed for the call, then wiped.
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { secret in
            guard let secretKey = secret.baseAddress else { return [] }
            unsafe seed.withPointer { unsafe secretKey.update(from: $0, count: 32) }
            unsafe secretKey.advanced(by: 32).update(from: publicKey, count: Ed25519.publicKeyBytes)
            defer { unsafe sodium_memzero(secretKey, secret.count) }
            return unsafe [UInt8](unsafeUninitializedCapacity: Ed25519.signatureBytes) {
                signature, initialized in
                guard let output = signature.baseAddress else { return }
                unsafe crypto_sign_detached(output, nil, message, UInt64(message.count), secretKey)
                initialized = Ed25519.signatureBytes
            }
        }
    }

    private static func withPair<R>(
        of seed: GuardedKey, _ body: (UnsafePointer<UInt8>, UnsafePointer<UInt8>) -> R
    ) -> R {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32 + 64) { pair in
            guard let publicKey = pair.baseAddress else { preconditionFailure("an empty buffer") }
            let secretKey = unsafe publicKey.advanced(by: 32)
            unsafe seed.withPointer { _ = unsafe crypto_sign_seed_keypair(publicKey, secretKey, $0) }
            defer { unsafe sodium_memzero(publicKey, pair.count) }
            return unsafe body(publicKey, secretKey)
        }
    }
}

/// Verification of Ed25519 signatures.
package enum Ed25519 {
    package static let publicKeyBytes = 32
    package static let signatureBytes = 64

    /// False too for a signature or a key of another length.
    package static func verify(signature: [UInt8], message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureBytes, publicKey.count == publicKeyBytes else { return false }
        return unsafe crypto_sign_verify_detached(signature, message, UInt64(message.count), publicKey) == 0
    }
}
