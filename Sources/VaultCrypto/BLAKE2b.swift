import CSodium

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
