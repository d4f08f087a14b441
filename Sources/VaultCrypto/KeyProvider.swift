import Foundation
import Synchronization
public import VaultCore

/// A key provider wraps and unwraps the key of a keyslot with a key that never leaves its place, such as a key management
/// service that the host talks to itself.
///
/// ```swift
/// struct CloudKey: KeyProvider {
///     let kms: KMSClient
///
///     func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] {
///         try await kms.encrypt(key, context: ["vault": slot.vault, "slot": slot.slot])
///     }
///
///     func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes {
///         try await kms.decrypt(wrapped, context: ["vault": slot.vault, "slot": slot.slot])
///     }
/// }
///
/// let vault = try await Vault.open(at: path, unlockedBy: .provider(CloudKey(kms: kms)))
/// ```
///
/// The vault waits for an answer until the deadline of ``KeySource/provider(_:deadline:)``. A keyslot made by a provider is of
/// the kind `program` (docs/sealed-format.md): it stores the wrapped bytes and nothing of the provider, so a ``KeyProgram`` that
/// unwraps the same bytes opens it too. Every ``KeySource`` is a provider as well: a provider of yours can wrap a key with a key
/// file or a passphrase first, and with its service then, so that a keyslot needs both.
public protocol KeyProvider: Sendable {
    /// Wraps the key of a new keyslot.
    ///
    /// - Parameters:
    ///   - key: 32 random bytes that the vault drew.
    ///   - slot: The vault and the keyslot, to be bound to the result where the service supports it (additional data,
    ///     encryption context).
    /// - Returns: 1 to 4,096 bytes that the keyslot stores in the clear.
    /// - Throws: Any error. The vault reports `unavailable` with the type of the error and never with its text.
    func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8]

    /// Unwraps the key of a keyslot.
    ///
    /// - Returns: The 32 bytes that were wrapped.
    /// - Throws: A ``VaultCore/VaultError`` with the code `locked` when this provider did not wrap the key; the vault then tries
    ///   its other keyslots of this kind. The vault reports any other error as `unavailable`, with its type and never with its
    ///   text.
    func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes
}

/// The vault and the keyslot that a key belongs to.
public struct KeyslotContext: Sendable, Hashable {
    let vaultID: VaultID
    let slotID: [UInt8]

    /// The vault's id, 32 hexadecimal digits.
    public var vault: String { "\(vaultID)" }
    /// The keyslot's id, 32 hexadecimal digits.
    public var slot: String { Hex.encode(slotID) }
}

/// A provider of your own can fall back on a program, or put a cache in front of it. Each call blocks its thread as long as the
/// program runs.
extension KeyProgram: KeyProvider {
    public func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] {
        try wrap(GuardedKey(copying: key), vault: slot.vaultID, slot: slot.slotID)
    }

    public func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes {
        try unwrap(wrapped, vault: slot.vaultID, slot: slot.slotID).secret
    }
}

/// A key file, a credential, a passphrase and a recovery key wrap what a provider of yours is asked for. Each call blocks its
/// thread, for a passphrase about 0.2 s.
///
/// ```
/// wrapped = kind 1 ‖ parameters ‖ key wrap 112, as in a keyslot with the same id, role 65,535 and epoch 0
/// ```
extension KeySource: KeyProvider {
    /// No vault has this role: nothing that is wrapped here opens where a keyslot is read, and no keyslot opens here.
    private static let role = UInt16.max

    /// What wraps by itself.
    private var holder: (any KeyProvider)? {
        switch self {
        case .program(let program): program
        case .provider(let provider, _): provider
        case .keyFile, .passphrase, .systemdCredential, .heldKey, .recoveryKey: nil
        }
    }

    public func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] {
        if let holder { return try await holder.wrap(key, for: slot) }
        try Sodium.start()
        let new = try Keyslot.newParameters(for: self, vault: slot.vaultID, slot: slot.slotID)
        let record = try Keyslot.create(
            self, wrapping: GuardedKey(copying: key), epoch: 0, vault: slot.vaultID, id: slot.slotID,
            parameters: new.parameters, inputKey: new.inputKey, nonce: nil, role: Self.role)
        return [UInt8(truncatingIfNeeded: kind.rawValue)] + record.parameters + record.wrapped
    }

    public func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes {
        if let holder { return try await holder.unwrap(wrapped, for: slot) }
        let kind = wrapped.first.flatMap { KeyslotKind(rawValue: Int64($0)) }
        let record = KeyslotRecord(
            id: slot.slotID, kind: kind ?? self.kind, epoch: 0,
            parameters: Array(wrapped.dropFirst().dropLast(KeyWrap.byteCount)),
            wrapped: wrapped.suffix(KeyWrap.byteCount), role: Self.role)
        // What another provider wrapped has any shape.
        guard kind != nil else { throw Keyslot.locked(record) }
        do throws(VaultError) {
            return try Keyslot.open(record, with: self, vault: slot.vaultID).secret
        } catch {
            throw error.code == .integrity ? Keyslot.locked(record) : error
        }
    }
}

/// A provider as keyslots ask it: within a bounded time, and from a thread that may wait.
struct PatientProvider {
    let provider: any KeyProvider
    let deadline: Duration

    func wrap(_ key: GuardedKey, vault: VaultID, slot: [UInt8]) throws(VaultError) -> [UInt8] {
        let context = KeyslotContext(vaultID: vault, slotID: slot)
        let secret = key.secret
        let wrapped = try answer { [provider] in try await provider.wrap(secret, for: context) }
        guard (1...Limits.keyProgramBlobBytes).contains(wrapped.count) else {
            throw failure("gave a wrapped key of \(wrapped.count) bytes.")
        }
        return wrapped
    }

    func unwrap(_ wrapped: [UInt8], vault: VaultID, slot: [UInt8]) throws(VaultError) -> GuardedKey {
        let context = KeyslotContext(vaultID: vault, slotID: slot)
        let secret = try answer { [provider] in try await provider.unwrap(wrapped, for: context) }
        let count = secret.withExposed(\.count)
        guard count == GuardedKey.byteCount else { throw failure("gave a key of \(count) bytes.") }
        return try GuardedKey(copying: secret)
    }

    /// Blocks until the provider answers or the time is over. What it does runs on threads of its own: those that tasks share
    /// may all be waiting for it.
    private func answer<Value: Sendable>(
        _ ask: @escaping @Sendable () async throws -> Value
    ) throws(VaultError) -> Value {
        let (found, isDone) = (Answer<Value>(), DispatchSemaphore(value: 0))
        let task = Task(executorPreference: OwnThreads.shared) {
            let result: Result<Value, any Error>
            do { result = .success(try await ask()) } catch { result = .failure(error) }
            found.result.withLock { $0 = result }
            isDone.signal()
        }
        guard isDone.wait(timeout: .now() + .milliseconds(Int(clamping: deadline.milliseconds))) == .success,
            let result = found.result.withLock({ $0 })
        else {
            task.cancel()
            throw failure("did not answer in time.")
        }
        switch result {
        case .success(let value): return value
        case .failure(let error as VaultError) where error.code == .locked:
            throw VaultError(
                .locked, "The key provider \(type(of: provider)) refused.",
                remedy: "Check that this keyslot was made with it.")
        // The text of an error may quote what the provider was given.
        case .failure(let error): throw failure("failed with an error of type \(type(of: error)).")
        }
    }

    private func failure(_ what: String) -> VaultError {
        VaultError(
            .unavailable, "The key provider \(type(of: provider)) \(what)",
            remedy: "Check that the service it calls can be reached.")
    }

    private final class Answer<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }
}

extension GuardedKey {
    /// - Throws: `invalidInput` for another length.
    fileprivate convenience init(copying secret: SecretBytes) throws(VaultError) {
        let bytes = secret.withExposed { $0 }
        guard bytes.count == Self.byteCount else {
            throw VaultError(.invalidInput, "A key has \(Self.byteCount) bytes, not \(bytes.count).")
        }
        unsafe self.init { slot in
            for (index, byte) in bytes.enumerated() { unsafe slot[index] = byte }
        }
    }

    fileprivate var secret: SecretBytes { unsafe withBytes { unsafe SecretBytes(Array($0)) } }
}

/// Runs each step of a task on a new thread: slow, and never held up by others.
private final class OwnThreads: TaskExecutor {
    static let shared = OwnThreads()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }.start()
    }
}
