import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// What a backup says of itself in the clear; its key vouches for every byte of it.
///
/// ```
///  0  8  "TVBACKUP"     8  1  version 0x01   9  1  suite 0x01   10  2  zero   12  4  root key epoch BE
/// 16 16  vault id      32 16  backup id     48  4  schema       52  8  log size
/// 60 32  log root      92  8  created at, ms                   100  8  bytes of the database
/// 108 4  epoch of the custody key                112 112  the custody key wrapped under the root key
/// 224 112  the backup key wrapped under the custody key        336  4  n   340  n  the log's signed note
/// then 32  commitment   chunks of 64 KiB + 16   32  SHA-256 of all that came before
/// ```
public struct BackupHeader: Sendable, Equatable {
    static let magic = Array("TVBACKUP".utf8)
    /// Length of the header up to the note.
    static let fixedBytes = 340
    static let noteBytes = 8 * 1024
    static let digestBytes = Digest.byteCount
    /// SQLite's own bound is 281 TB; past it a length is damage.
    private static let databaseBytes: Int64 = 1 << 48

    /// Epoch of the root key that opens the backup.
    public let epoch: UInt32
    public let vault: VaultID
    public let backup: BackupID
    public let schema: Int
    /// Entries of the log in it.
    public let logSize: Int64
    let logRoot: Digest
    public let createdAt: VaultInstant
    /// Size of the database inside, in bytes.
    public let byteCount: Int64
    let custodyEpoch: UInt32
    /// Under the root key, as in `role_keys`.
    let wrappedCustodyKey: [UInt8]
    /// Under the custody key.
    let wrappedKey: [UInt8]
    /// The log's signed note.
    public let checkpoint: String

    var bytes: [UInt8] {
        var bytes = Self.magic + [1, 1, 0, 0]
        bytes.append(bigEndian: epoch)
        bytes += vault.bytes + backup.bytes
        bytes.append(bigEndian: UInt32(clamping: schema))
        bytes.append(bigEndian: logSize)
        bytes += logRoot.bytes
        bytes.append(bigEndian: createdAt.millisecondsSince1970)
        bytes.append(bigEndian: byteCount)
        bytes.append(bigEndian: custodyEpoch)
        bytes += wrappedCustodyKey
        bytes += wrappedKey
        bytes.append(bigEndian: UInt32(checkpoint.utf8.count))
        return bytes + Array(checkpoint.utf8)
    }

    /// Bytes of the database in one chunk.
    func byteCount(ofChunk index: Int64) -> Int {
        Int(min(Int64(BackupCipher.chunkBytes), byteCount - index * Int64(BackupCipher.chunkBytes)))
    }

    var chunkCount: Int64 {
        (byteCount + Int64(BackupCipher.chunkBytes) - 1) / Int64(BackupCipher.chunkBytes)
    }

    /// Size of the whole file that begins with this header.
    public var fileBytes: Int64 {
        Int64(bytes.count + BackupCipher.commitmentBytes + Self.digestBytes) + byteCount
            + chunkCount * Int64(BackupCipher.tagBytes)
    }

    /// Where the wrapped backup key belongs.
    ///
    /// - Parameter epoch: of the custody key.
    static func wrapContext(_ vault: VaultID, epoch: UInt32) -> AssociatedData {
        AssociatedData(
            domain: "tv.backup", vault: vault, owner: .system, table: TableLayout.backups.number, column: 0,
            row: 0, generation: UInt64(epoch))
    }
}

extension BackupHeader: Encodable {
    private enum CodingKeys: CodingKey {
        case backup, vaultId, createdAt, keyEpoch, schema, logSize, logRoot, checkpoint, databaseBytes, bytes
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(backup, forKey: .backup)
        try values.encode(vault.description, forKey: .vaultId)
        try values.encode(createdAt, forKey: .createdAt)
        try values.encode(epoch, forKey: .keyEpoch)
        try values.encode(schema, forKey: .schema)
        try values.encode(logSize, forKey: .logSize)
        try values.encode(root, forKey: .logRoot)
        try values.encode(checkpoint, forKey: .checkpoint)
        try values.encode(byteCount, forKey: .databaseBytes)
        try values.encode(fileBytes, forKey: .bytes)
    }

    /// Root of the log: 64 hexadecimal digits.
    public var root: String { Hex.encode(logRoot.bytes) }
}

extension BackupHeader {
    /// Nil unless `bytes` begin with a header in its one spelling.
    init?(prefixOf bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.take(Self.magic.count) == Self.magic, reader.take(4) == [1, 1, 0, 0],
            let epoch = reader.number(UInt32.self),
            let vault = reader.take(VaultID.byteCount).flatMap(VaultID.init(bytes:)),
            let backup = reader.take(BackupID.byteCount).flatMap(BackupID.init(bytes:)),
            let schema = reader.number(UInt32.self), let logSize = reader.number(Int64.self), logSize > 0,
            let root = reader.take(Digest.byteCount).flatMap(Digest.init(bytes:)),
            let createdAt = reader.number(Int64.self), let count = reader.number(Int64.self),
            count > 0, count <= Self.databaseBytes, let custodyEpoch = reader.number(UInt32.self),
            let custodyKey = reader.take(KeyWrap.byteCount), let wrapped = reader.take(KeyWrap.byteCount),
            let note = reader.counted(limit: Self.noteBytes),
            let text = String(validating: note, as: UTF8.self)
        else { return nil }
        self.init(
            epoch: epoch, vault: vault, backup: backup, schema: Int(schema), logSize: logSize, logRoot: root,
            createdAt: VaultInstant(millisecondsSince1970: createdAt), byteCount: count,
            custodyEpoch: custodyEpoch, wrappedCustodyKey: custodyKey, wrappedKey: wrapped,
            checkpoint: text)
    }
}

/// Names a backup: 16 random bytes.
public struct BackupID: Sendable, Hashable, CustomStringConvertible, Encodable {
    static let byteCount = 16
    let bytes: [UInt8]

    init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    static func random() -> BackupID {
        guard let id = BackupID(bytes: SystemRandom().bytes(byteCount)) else {
            preconditionFailure("an identifier is made with its own length")
        }
        return id
    }

    /// 32 hexadecimal digits.
    public var description: String { Hex.encode(bytes) }

    public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }
}

/// The keys of backups: a vault's keyslots for everything, each with the root key wrapped.
///
/// Opens every backup of the vault that was made under this root key, together with what opens one of the slots.
///
/// ```
///  0  8  "TVBKKEYS"   8  1  version 0x01   9  3  zero   12  4  root key epoch BE   16 16  vault id
/// 32  8  created at, ms   40  2  slots   each: 16 id, 8 kind, 4 epoch, 4 n, n parameters, 4 m, m wrapped
/// then 32  SHA-256 of all that came before
/// ```
public struct BackupKeys: Sendable {
    static let magic = Array("TVBKKEYS".utf8)
    static let fileBytes = 1 << 20
    private static let slotCount = 64
    private static let partBytes = 16 * 1024

    public let vault: VaultID
    /// Epoch of the root key in the keyslots.
    public let epoch: UInt32
    public let createdAt: VaultInstant
    let records: [KeyslotRecord]

    /// The kind and first 8 hexadecimal digits of each keyslot; their keys open the backup.
    public var slots: [String] { records.map { "\($0.kind.noun) \(Hex.encode($0.id.prefix(4)))" } }

    /// The keyslots for everything of an open vault, as of one snapshot.
    init(_ database: Database, _ keyring: Keyring, at now: VaultInstant) throws {
        vault = keyring.vault
        epoch = keyring.epoch
        createdAt = now
        records = try database.loadAll(KeyslotRow.self, where: "id > 0 ORDER BY id", [], keyring)
            .map(\.record).filter { $0.role == 0 && $0.epoch == keyring.epoch }
    }

    /// The root key, and the slot that gave it.
    ///
    /// - Throws: ``VaultError/Code/locked`` when no slot opens with this source.
    func root(_ source: KeySource) throws -> (GuardedKey, KeyslotRecord) {
        for record in records where Keyslot.accepts(source, record) {
            do {
                let root = try Keyslot.open(record, with: source, vault: vault)
                return (root, record)
            } catch {
                guard error.code == .locked else { throw error }
            }
        }
        throw VaultError(
            .locked,
            "The supplied key opens no keyslot of the backup of vault \(vault): "
                + slots.joined(separator: ", ") + ".",
            remedy: "Give the key file or passphrase of one of these slots.")
    }
}

extension BackupKeys: Encodable {
    private enum CodingKeys: CodingKey { case vaultId, keyEpoch, createdAt, slots }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(vault.description, forKey: .vaultId)
        try values.encode(epoch, forKey: .keyEpoch)
        try values.encode(createdAt, forKey: .createdAt)
        try values.encode(slots, forKey: .slots)
    }
}

// MARK: - As a file

extension BackupKeys {
    var bytes: [UInt8] {
        var bytes = Self.magic + [1, 0, 0, 0]
        bytes.append(bigEndian: epoch)
        bytes += vault.bytes
        bytes.append(bigEndian: createdAt.millisecondsSince1970)
        bytes.append(bigEndian: UInt16(clamping: records.count))
        for record in records {
            bytes += record.id
            bytes.append(bigEndian: record.kind.rawValue)
            bytes.append(bigEndian: record.epoch)
            for part in [record.parameters, record.wrapped] {
                bytes.append(bigEndian: UInt32(part.count))
                bytes += part
            }
        }
        return bytes + SHA256.hash(bytes).bytes
    }

    /// Nil for anything but what ``bytes`` makes; slots of kinds that this version does not know are left out.
    init?(bytes: [UInt8]) {
        let content = Array(bytes.dropLast(Digest.byteCount))
        guard bytes.count > Digest.byteCount, SHA256.hash(content).bytes == bytes.suffix(Digest.byteCount)
        else { return nil }
        var reader = ByteReader(content)
        guard reader.take(Self.magic.count) == Self.magic, reader.take(4) == [1, 0, 0, 0],
            let epoch = reader.number(UInt32.self),
            let vault = reader.take(VaultID.byteCount).flatMap(VaultID.init(bytes:)),
            let createdAt = reader.number(Int64.self), let count = reader.number(UInt16.self),
            count <= Self.slotCount
        else { return nil }
        var records: [KeyslotRecord] = []
        for _ in 0..<count {
            guard let id = reader.take(KeyslotRecord.idBytes), let kind = reader.number(Int64.self),
                let epoch = reader.number(UInt32.self),
                let parameters = reader.counted(limit: Self.partBytes),
                let wrapped = reader.counted(limit: Self.partBytes)
            else { return nil }
            guard let kind = KeyslotKind(rawValue: kind) else { continue }
            records.append(
                KeyslotRecord(id: id, kind: kind, epoch: epoch, parameters: parameters, wrapped: wrapped))
        }
        guard reader.isAtEnd else { return nil }
        self.vault = vault
        self.epoch = epoch
        self.createdAt = VaultInstant(millisecondsSince1970: createdAt)
        self.records = records
    }

    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/integrity``, ``VaultError/Code/notAVault``.
    static func read(_ path: String) throws -> BackupKeys {
        let bytes = try SmallFile.read(
            path, limit: fileBytes, closed: .toNobody,
            remedy: "Name the file of keys that was made with a backup.")
        guard bytes.starts(with: magic) else {
            throw VaultError(
                .notAVault, "\(path) does not hold the keys of backups.",
                remedy: "Name the file of keys that was made with a backup.")
        }
        guard let keys = BackupKeys(bytes: bytes) else {
            throw VaultError(
                .integrity, "\(path) is damaged, or of a version that this program does not know.",
                remedy: "Use another copy of it.")
        }
        return keys
    }
}
