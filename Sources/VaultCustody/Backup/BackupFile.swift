import Foundation
import SQLiteStore
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// An opened backup file, whose header was read and whose length matches it.
final class BackupFile {
    let path: String
    let header: BackupHeader
    private let headerBytes: [UInt8]
    private let descriptor: Int32

    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/notAVault`` (no backup),
    ///   ``VaultError/Code/integrity`` (cut off, longer than it should be, or of another version).
    init(_ path: String) throws {
        self.path = path
        // Without waiting: a pipe nobody writes to would keep us for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.unreadable(path, errno) }
        do {
            guard let facts = FileFacts(of: descriptor), facts.isRegular else { throw Self.notABackup(path) }
            let start = try Self.read(
                descriptor, at: 0, upTo: BackupHeader.fixedBytes + BackupHeader.noteBytes
            ) { Self.unreadable(path, $0) }
            guard start.starts(with: BackupHeader.magic) else { throw Self.notABackup(path) }
            guard let header = BackupHeader(prefixOf: start) else {
                throw VaultError(
                    .integrity,
                    "The backup \(path) is cut off, damaged, or of a version that this program does not know.",
                    remedy: "Use another copy of it.")
            }
            guard Int64(facts.size) == header.fileBytes else {
                throw VaultError(
                    .integrity,
                    "The backup \(path) has \(facts.size) bytes; complete it would have \(header.fileBytes).",
                    remedy: "It was not copied completely, or is damaged: use another copy.")
            }
            self.header = header
            headerBytes = header.bytes
            self.descriptor = descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Whether the file is the one that was written, as far as that can be checked without its key.
    func isWhole(_ progress: (Double) -> Void) throws -> Bool {
        var digest = RunningDigest()
        let end = header.fileBytes - Int64(BackupHeader.digestBytes)
        var place: Int64 = 0
        while place < end {
            let part = try read(at: place, Int(min(1 << 20, end - place)))
            digest.add(part)
            place += Int64(part.count)
            progress(Double(place) / Double(end))
        }
        return try digest.finish().bytes == read(at: end, BackupHeader.digestBytes)
    }

    /// Hands the database inside to `body`, chunk by chunk, each checked before.
    ///
    /// - Throws: ``VaultError/Code/locked`` when the root key is another, ``VaultError/Code/integrity``.
    func forEachChunk(openedBy root: GuardedKey, _ body: ([UInt8], Double) throws -> Void) throws {
        let cipher = try cipher(root)
        var place = Int64(headerBytes.count + BackupCipher.commitmentBytes)
        for index in 0..<header.chunkCount {
            let sealed = try read(at: place, header.byteCount(ofChunk: index) + BackupCipher.tagBytes)
            let isLast = index == header.chunkCount - 1
            guard let chunk = cipher.open(sealed, index: UInt64(index), isLast: isLast) else {
                throw damaged("part \(index + 1) of \(header.chunkCount)")
            }
            place += Int64(sealed.count)
            try body(chunk, Double(index + 1) / Double(header.chunkCount))
        }
    }

    private func cipher(_ root: GuardedKey) throws -> BackupCipher {
        let key: GuardedKey
        do {
            let custody = try KeyWrap.unwrap(
                header.wrappedCustodyKey, with: root, epoch: header.epoch,
                for: RoleKeyRow.context(
                    header.vault, .custody, epoch: Int64(header.custodyEpoch), wrapper: nil))
            key = try KeyWrap.unwrap(
                header.wrappedKey, with: custody, epoch: header.custodyEpoch,
                for: BackupHeader.wrapContext(header.vault, epoch: header.custodyEpoch))
        } catch {
            throw VaultError(
                .locked, "The key of the backup \(path) does not open with the root key of these keys.",
                remedy:
                    "Use the keys of the same vault and root key; with the right keys, the backup is damaged."
            )
        }
        let cipher = BackupCipher(key, header: headerBytes)
        let commitment = try read(at: Int64(headerBytes.count), BackupCipher.commitmentBytes)
        guard ConstantTime.equal(commitment, cipher.commitment) else { throw damaged("its head") }
        return cipher
    }

    private func read(at place: Int64, _ count: Int) throws -> [UInt8] {
        let bytes = try Self.read(descriptor, at: place, upTo: count) { Self.unreadable(path, $0) }
        // Someone cut it since it was opened.
        guard bytes.count == count else { throw damaged("its end") }
        return bytes
    }

    /// Fewer bytes only where the file ends.
    static func read(
        _ descriptor: Int32, at place: Int64, upTo count: Int, _ failure: (Int32) -> VaultError
    ) throws -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count {
                let read = pread(
                    descriptor, buffer.baseAddress.map { $0 + initialized }, count - initialized,
                    off_t(place) + off_t(initialized))
                if read < 0, errno == EINTR { continue }
                if read < 0 { code = errno }
                guard read > 0 else { break }
                initialized += read
            }
        }
        guard code == 0 else { throw failure(code) }
        return bytes
    }

    private func damaged(_ part: String) -> VaultError {
        VaultError(
            .integrity, "The backup \(path) is damaged: \(part) is not what was written.",
            remedy: "Use another copy of it.")
    }

    private static func notABackup(_ path: String) -> VaultError {
        VaultError(.notAVault, "\(path) is not a backup.", remedy: "Name the data file of a backup.")
    }

    private static func unreadable(_ path: String, _ code: Int32) -> VaultError {
        code == ENOENT
            ? VaultError(.notFound, "There is no backup at \(path).", remedy: "Check the path.")
            : StorageFailure.opening(path, code)
    }
}

/// Seals a snapshot into a backup.
struct BackupWriter {
    let keyring: Keyring
    /// Under the root key: the copy says how.
    let custodyKey: RoleKeyRow
    let backup: BackupID
    let now: VaultInstant

    /// - Returns: the bytes written.
    func write(_ snapshot: Snapshot, to file: DraftFile, progress: (Double) -> Void) throws -> Int64 {
        let key = GuardedKey.random()
        let custody = try keyring.roleKeys.current(.custody)
        let header = BackupHeader(
            epoch: keyring.epoch, vault: keyring.vault, backup: backup, schema: snapshot.schema,
            logSize: snapshot.head.size, logRoot: snapshot.head.root, createdAt: now,
            byteCount: snapshot.byteCount, custodyEpoch: custody.epoch, wrappedCustodyKey: custodyKey.wrapped,
            wrappedKey: KeyWrap.wrap(
                key, under: custody.key, epoch: custody.epoch,
                for: BackupHeader.wrapContext(keyring.vault, epoch: custody.epoch)),
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
            guard chunk.count == header.byteCount(ofChunk: index) else {
                throw StorageFailure.failed("reading of the copy", EIO)
            }
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

/// A consistent copy of the database in a file that has no name any more: whatever becomes of this process, nothing of it
/// is left behind.
final class Snapshot {
    let head: LogHead
    let schema: Int
    let byteCount: Int64
    private let descriptor: Int32
    private var place: Int64 = 0

    /// Copies the database within one read transaction; writers and other readers go on meanwhile.
    ///
    /// - Parameter directory: the directory of the copy while it is read; it must be as safe as the vault's own.
    init(
        of store: any VaultStore, in directory: String, at now: VaultInstant,
        _ read: (Database) throws -> Void, progress: @escaping (Double) -> Void
    ) throws {
        let place = directory + "/.tokenvault-snapshot-" + UUID().uuidString
        var descriptor: Int32 = -1
        do {
            let copy = try Unfinished.whole {
                descriptor = open(place, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                guard descriptor >= 0 else { throw StorageFailure.writing(place, errno) }
                defer { unlink(place) }
                return try DatabaseCopy(at: place)
            }
            (head, schema) = try store.withOwnReader { database in
                let head = try LogHead.read(database)
                let schema = try Int(database.count("SELECT max(version) FROM schema_migrations"))
                try read(database)
                try copy.fill(from: database, SchemaLedger(), at: now, progress: progress)
                return (head, schema)
            }
            try copy.close()
            guard let facts = FileFacts(of: descriptor), facts.size > 0 else {
                throw StorageFailure.failed("copy of the database", EIO)
            }
            byteCount = Int64(facts.size)
            self.descriptor = descriptor
        } catch {
            close(descriptor)
            throw StorageFailure.translate(error)
        }
    }

    deinit { close(descriptor) }

    /// Up to `count` bytes, from where the last call ended.
    func next(_ count: Int) throws -> [UInt8] {
        let bytes = try BackupFile.read(descriptor, at: place, upTo: count) {
            StorageFailure.failed("reading of the copy", $0)
        }
        place += Int64(bytes.count)
        return bytes
    }
}
