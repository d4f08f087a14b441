import VaultCore
import VaultCrypto

/// Seals a snapshot into a backup.
struct BackupWriter {
    let keyring: Keyring
    let backup: BackupID
    let now: VaultInstant

    /// - Returns: the bytes written.
    func write(_ snapshot: Snapshot, to file: DraftFile, progress: (Double) -> Void) throws -> Int64 {
        let key = GuardedKey.random()
        let header = BackupHeader(
            epoch: keyring.epoch, vault: keyring.vault, backup: backup, schema: snapshot.schema,
            logSize: snapshot.head.size, logRoot: snapshot.head.root, createdAt: now,
            byteCount: snapshot.byteCount,
            wrappedKey: KeyWrap.wrap(
                key, under: keyring.root, epoch: keyring.epoch,
                for: BackupHeader.wrapContext(keyring.vault, epoch: keyring.epoch)),
            checkpoint: snapshot.head.note)
        let bytes = header.bytes
        let cipher = BackupCipher(key, header: bytes)
        var digest = RunningDigest()
        func put(_ part: [UInt8]) throws {
            digest.add(part)
            try file.write(part)
        }
        try put(bytes + cipher.commitment)
        var pending: [UInt8] = []
        for index in 0..<header.chunkCount {
            let chunk = try snapshot.next(BackupCipher.chunkBytes)
            let isLast = index == header.chunkCount - 1
            let expected =
                isLast ? header.byteCount - index * Int64(BackupCipher.chunkBytes) : Int64(chunk.count)
            guard !chunk.isEmpty, isLast || chunk.count == BackupCipher.chunkBytes,
                Int64(chunk.count) == expected
            else { throw StorageFailure.failed("reading of the copy", 5) }
            pending += cipher.seal(chunk, index: UInt64(index), isLast: isLast)
            // Larger writes cost less, the more so over a network.
            if pending.count >= 1 << 20 || isLast {
                try put(pending)
                pending.removeAll(keepingCapacity: true)
                progress(Double(index + 1) / Double(header.chunkCount))
            }
        }
        try file.write(digest.finish().bytes)
        return header.fileBytes
    }
}
