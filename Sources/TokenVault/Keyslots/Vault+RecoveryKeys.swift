import Foundation
public import VaultCore
import VaultCrypto

extension Vault {
    /// Makes a recovery key: writes its private half into a new file, sealed to `passphrase`, and adds its
    /// slot. The slot counts only once the file was read again from the disk, opened with the passphrase, and
    /// opened the slot. When that fails there is neither slot nor file.
    ///
    /// - Parameters:
    ///   - name: as of ``addKeyslot(named:unlockedBy:provedBy:)``.
    ///   - path: of the file, which is never overwritten; mode 600.
    ///   - passphrase: 1 to 1024 bytes. It is Argon2id's: about 0.2 s each time.
    public func createRecoveryKey(
        named name: String? = nil, file path: String, passphrase: SecretBytes
    ) async throws -> VaultKeyslot {
        if let name { try Self.checkName(name) }
        let (key, copy) = try await BlockingThread.result { [id] in
            let key = try RecoveryKey.generate(for: id)
            try key.write(to: path, passphrase: passphrase)
            do {
                return (key, try RecoveryKey(file: path, passphrase: passphrase))
            } catch {
                unlink(path)
                throw error
            }
        }
        do {
            return try await addKeyslot(name, .recoveryKey(key), .recoveryKey(copy), .recoveryCreate)
        } catch {
            // A file that opens nothing would only be trusted on the wrong day.
            if (error as? VaultError)?.code != .outcomeUnknown { unlink(path) }
            throw error
        }
    }
}
