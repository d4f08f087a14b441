import CSodium

/// A key sealed to an X25519 public key: libsodium's `crypto_box_seal`, 80 bytes.
///
/// ```
/// 0 32  ephemeral public key      32 48  crypto_box(key; nonce = BLAKE2b-192(ephemeral public key ‖ public key))
/// ```
///
/// Anyone who has the public key can make one, so what is inside says nothing until something else proves it.
enum SealedBox {
    static let byteCount = 80
    static let publicKeyBytes = 32

    static func publicKey(of privateKey: GuardedKey) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: publicKeyBytes) { publicKey, initialized in
            guard let output = publicKey.baseAddress else { return }
            unsafe privateKey.withPointer { _ = unsafe crypto_scalarmult_base(output, $0) }
            initialized = publicKeyBytes
        }
    }

    /// Nil where `publicKey` is invalid (a point of small order).
    ///
    /// - Parameter ephemeral: used for this box alone; chosen for format vectors only.
    static func seal(
        _ key: GuardedKey, to publicKey: [UInt8], ephemeral: GuardedKey = .random()
    ) -> [UInt8]? {
        guard publicKey.count == publicKeyBytes else { return nil }
        let ephemeralPublicKey = self.publicKey(of: ephemeral)
        let both = ephemeralPublicKey + publicKey
        var nonce = [UInt8](repeating: 0, count: 24)
        unsafe crypto_generichash(&nonce, nonce.count, both, UInt64(both.count), nil, 0)
        var result: Int32 = -1
        let box = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { box, initialized in
            guard let base = box.baseAddress else { return }
            unsafe base.update(from: ephemeralPublicKey, count: publicKeyBytes)
            unsafe key.withPointer { key in
                unsafe ephemeral.withPointer { ephemeral in
                    result = unsafe crypto_box_easy(
                        base.advanced(by: publicKeyBytes), key, UInt64(GuardedKey.byteCount), nonce,
                        publicKey, ephemeral)
                }
            }
            initialized = result == 0 ? byteCount : 0
        }
        return result == 0 ? box : nil
    }

    /// Nil for what was sealed to another key, or was changed.
    static func open(_ box: [UInt8], publicKey: [UInt8], privateKey: GuardedKey) -> GuardedKey? {
        guard box.count == byteCount, publicKey.count == publicKeyBytes else { return nil }
        var result: Int32 = -1
        let key = unsafe GuardedKey { slot in
            result = unsafe privateKey.withPointer {
                unsafe crypto_box_seal_open(slot, box, UInt64(box.count), publicKey, $0)
            }
        }
        return result == 0 ? key : nil
    }
}
