import Foundation
public import VaultCore
public import VaultCrypto

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

    /// Writes shares of a recovery key into `directory`: files `recovery-share-1` and on, mode 600, never
    /// overwritten. Every share is read again, and the first and the last `threshold` of them are put
    /// together, before this returns; when that fails no share is left.
    ///
    /// - Parameter key: of one of the vault's recovery slots.
    /// - Returns: the paths.
    /// - Throws: ``VaultError/Code/invalidInput`` (count or threshold), ``VaultError/Code/denied`` (the key opens no
    ///   slot), ``VaultError/Code/alreadyExists``, ``VaultError/Code/notFound`` (no such directory).
    public func splitRecoveryKey(
        _ key: RecoveryKey, shares count: Int, threshold: Int, into directory: String
    ) async throws -> [String] {
        guard try keyslots().contains(where: { $0.recoveryKeyID == key.id }) else {
            throw VaultError(
                .denied, "Recovery key \(key.id) opens no keyslot of this vault.",
                remedy: "See 'tokenvault key slot list'.")
        }
        let paths = try await BlockingThread.result {
            try Self.writeShares(key.split(threshold: threshold, count: count), of: key, into: directory)
        }
        do {
            try await write { [operatorActor] _ in
                Audited((), AuditEvent(.recoverySplit, by: operatorActor))
            }
        } catch {
            if (error as? VaultError)?.code != .outcomeUnknown { for path in paths { unlink(path) } }
            throw error
        }
        return paths
    }

    private static func writeShares(
        _ shares: [RecoveryShare], of key: RecoveryKey, into directory: String
    ) throws -> [String] {
        var written: [String] = []
        do {
            for share in shares {
                let path = directory + "/recovery-share-\(share.index)"
                try share.write(to: path)
                written.append(path)
            }
            let read = try written.map { try RecoveryShare(file: $0) }
            for share in read where share.publicKey != key.publicKey {
                throw VaultError(.ioFailure, "A share does not read as it was written.")
            }
            if let threshold = read.first?.threshold {
                _ = try RecoveryKey(combining: Array(read.prefix(threshold)))
                _ = try RecoveryKey(combining: Array(read.suffix(threshold)))
            }
        } catch {
            for path in written { unlink(path) }
            throw error
        }
        return written
    }
}
