import CSodium
import Synchronization
package import VaultCore

/// Cost and salt of Argon2id (RFC 9106) as a passphrase keyslot stores them: 25 bytes.
///
/// ```
/// 0  1  0x01 = Argon2id 1.3, one lane     1  4  passes BE     5  4  memory in KiB BE     9 16  salt
/// ```
struct PassphraseParameters {
    static let byteCount = 25
    /// The default and the floor: less than this was never written, so less was put there to make guessing
    /// cheap.
    static let passes: UInt32 = 3
    static let memoryKiB: UInt32 = 64 * 1024
    /// The ceiling on what is read from the disk: an edited row must not take all memory or the whole day.
    private static let acceptedPasses = passes...10
    private static let acceptedMemoryKiB = memoryKiB...1024 * 1024
    static let passphraseBytes = 1...1024

    /// Held while hashing: however many callers offer a passphrase, the memory of one is used.
    private static let turn = Mutex<Void>(())

    let bytes: [UInt8]
    private let passes: UInt32
    private let memoryKiB: UInt32
    private var salt: ArraySlice<UInt8> { bytes[9...] }

    /// The default cost with a salt of 16 bytes.
    init(salt: [UInt8]) {
        precondition(salt.count == 16, "a salt has 16 bytes")
        passes = Self.passes
        memoryKiB = Self.memoryKiB
        var bytes: [UInt8] = [1]
        bytes.append(bigEndian: passes)
        bytes.append(bigEndian: memoryKiB)
        self.bytes = bytes + salt
    }

    /// Nil for another algorithm or length, and for a cost below the floor or above the ceiling.
    init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount, bytes[0] == 1 else { return nil }
        passes = bytes[1..<5].bigEndian()
        memoryKiB = bytes[5..<9].bigEndian()
        guard Self.acceptedPasses.contains(passes), Self.acceptedMemoryKiB.contains(memoryKiB) else {
            return nil
        }
        self.bytes = bytes
    }

    /// Blocks the calling thread while it hashes. `.invalidInput` for what is no passphrase: see
    /// ``SecretBytes/opaqueString(_:)``, and an empty or overlong one; `.unavailable` if the memory is not to be had.
    func key(from passphrase: SecretBytes) throws(VaultError) -> GuardedKey {
        try Self.turn.withLock { _ throws(VaultError) in try derive(from: passphrase) }
    }

    /// The same without waiting for a turn: the caller bounds how many hash at one time.
    func derive(from passphrase: SecretBytes) throws(VaultError) -> GuardedKey {
        try passphrase.opaqueString("passphrase").withExposed { passphrase throws(VaultError) in
            guard Self.passphraseBytes.contains(passphrase.count) else {
                throw VaultError(.invalidInput, "A passphrase has 1 to 1024 bytes, not \(passphrase.count).")
            }
            var result: Int32 = -1
            let key = unsafe GuardedKey { slot in result = unsafe hash(passphrase, into: slot) }
            guard result == 0 else {
                throw VaultError(
                    .unavailable, "There is not enough memory to hash the passphrase.",
                    remedy: "Free \(memoryKiB / 1024) MiB of memory and try again.")
            }
            return key
        }
    }

    private func hash(_ passphrase: [UInt8], into slot: UnsafeMutablePointer<UInt8>) -> Int32 {
        unsafe passphrase.withUnsafeBytes { passphrase in
            unsafe passphrase.withMemoryRebound(to: CChar.self) { text in
                guard let base = text.baseAddress else { return -1 }
                return unsafe crypto_pwhash(
                    slot, UInt64(GuardedKey.byteCount), base, UInt64(text.count), Array(salt),
                    UInt64(passes), Int(memoryKiB) * 1024, crypto_pwhash_ALG_ARGON2ID13)
            }
        }
    }
}

/// What a person's password is checked against: Argon2id (RFC 9106) with its cost and salt, 57 bytes.
///
/// ```
/// 0 25  parameters, as those of a passphrase keyslot      25 32  Argon2id(password as OpaqueString, parameters)
/// ```
///
/// A cost below the floor or above the ceiling is refused before hashing. How many hash at one time is up to the caller.
package struct PasswordVerifier: Sendable {
    package static let byteCount = PassphraseParameters.byteCount + GuardedKey.byteCount
    package let bytes: [UInt8]
    private let parameters: PassphraseParameters

    /// Hashes `password`, 1 to 1024 bytes, with a new salt. Blocks the calling thread for a fifth of a
    /// second. `.unavailable` if the memory is not to be had.
    package init(hashing password: SecretBytes) throws(VaultError) {
        parameters = PassphraseParameters(salt: SystemRandom().bytes(16))
        bytes = parameters.bytes + Self.copy(try parameters.derive(from: password))
    }

    /// Nil for what ``init(hashing:)`` would not have made.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount,
            let parameters = PassphraseParameters(
                bytes: Array(bytes.prefix(PassphraseParameters.byteCount)))
        else { return nil }
        self.bytes = bytes
        self.parameters = parameters
    }

    /// One that nothing matches, at the usual cost: so that an unknown user takes as long as a known one.
    package static func decoy() -> PasswordVerifier {
        let random = SystemRandom()
        return PasswordVerifier(
            decoy: PassphraseParameters(salt: random.bytes(16)), hash: random.bytes(GuardedKey.byteCount))
    }

    private init(decoy parameters: PassphraseParameters, hash: [UInt8]) {
        self.parameters = parameters
        bytes = parameters.bytes + hash
    }

    /// Whether this is the password, in constant time; what cannot be one costs the same.
    package func matches(_ password: SecretBytes) throws(VaultError) -> Bool {
        let prepared = try? password.opaqueString("password")
        let isPossible =
            prepared?.withExposed { PassphraseParameters.passphraseBytes.contains($0.count) } ?? false
        let key = try parameters.derive(from: isPossible ? password : SecretBytes(copying: "decoy"))
        let isEqual = ConstantTime.equal(
            Self.copy(key), Array(bytes.suffix(GuardedKey.byteCount)))
        return isEqual && isPossible
    }

    private static func copy(_ key: GuardedKey) -> [UInt8] {
        unsafe key.withBytes { unsafe Array($0) }
    }
}
