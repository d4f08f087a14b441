import CSodium
import VaultCore

/// Seals the chunks of one backup.
///
/// ```
/// okm        = BLAKE2b-512(key = backup key, personal = "TokenVault.bkup1", in = header)
/// stream key = okm[0..<32]      commitment = okm[32..<64]
/// chunk i    = XChaCha20-Poly1305-IETF(stream key, nonce = BE64(i) ‖ last 1 ‖ 15 zeros, no AD)
/// ```
///
/// A backup key is random and used once, so that numbers can be nonces: a chunk of another place, of another backup, or
/// behind another header does not open, and a stream without its last chunk is known to be cut.
package struct BackupCipher: Sendable {
    /// Bytes of plaintext in every chunk but the last, which has 1 to as many.
    package static let chunkBytes = 64 * 1024
    package static let tagBytes = 16
    package static let commitmentBytes = 32
    private static let personal = Personal("TokenVault.bkup1")

    /// Tells another key or an altered header from damage further on.
    package let commitment: [UInt8]
    private let streamKey: GuardedKey

    package init(_ key: GuardedKey, header: [UInt8]) {
        var commitment = [UInt8](repeating: 0, count: Self.commitmentBytes)
        streamKey = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
            guard let okm = buffer.baseAddress else { preconditionFailure("an empty buffer") }
            defer { unsafe sodium_memzero(okm, 64) }
            unsafe header.withUnsafeBufferPointer { input in
                unsafe BLAKE2b.hash(into: okm, count: 64, input, key: key, personal: Self.personal)
            }
            for index in 0..<Self.commitmentBytes { commitment[index] = unsafe okm[32 + index] }
            return unsafe GuardedKey { slot in
                unsafe slot.update(from: UnsafePointer(okm), count: GuardedKey.byteCount)
            }
        }
        self.commitment = commitment
    }

    package func seal(_ chunk: [UInt8], index: UInt64, isLast: Bool) -> [UInt8] {
        let nonce = Self.nonce(index, isLast)
        return unsafe [UInt8](unsafeUninitializedCapacity: chunk.count + Self.tagBytes) {
            output, initialized in
            guard let base = output.baseAddress else { return }
            unsafe streamKey.withPointer { key in
                _ = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                    base, nil, chunk, UInt64(chunk.count), nil, 0, nil, nonce, key)
            }
            initialized = chunk.count + Self.tagBytes
        }
    }

    /// Nil for anything but what ``seal(_:index:isLast:)`` made of a chunk of this place.
    package func open(_ sealed: [UInt8], index: UInt64, isLast: Bool) -> [UInt8]? {
        guard sealed.count > Self.tagBytes else { return nil }
        let nonce = Self.nonce(index, isLast)
        let count = sealed.count - Self.tagBytes
        var isOpen = false
        let chunk = unsafe [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            guard let base = output.baseAddress else { return }
            let code = unsafe streamKey.withPointer { key in
                unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                    base, nil, nil, sealed, UInt64(sealed.count), nil, 0, nonce, key)
            }
            isOpen = code == 0
            initialized = isOpen ? count : 0
        }
        return isOpen ? chunk : nil
    }

    private static func nonce(_ index: UInt64, _ isLast: Bool) -> [UInt8] {
        var nonce: [UInt8] = []
        nonce.reserveCapacity(CommittingRecord.nonceBytes)
        nonce.append(bigEndian: index)
        nonce.append(isLast ? 1 : 0)
        nonce += [UInt8](repeating: 0, count: CommittingRecord.nonceBytes - nonce.count)
        return nonce
    }
}
