import GRDB
import MerkleLog
public import VaultCore
import VaultCrypto

/// The vault at a glance: counts, log and health as of one moment.
public struct VaultStatus: Sendable {
    /// The vault's identifier.
    public let id: VaultID
    /// Version of the newest migration the file has seen.
    public let schema: Int
    /// When the vault was made.
    public let createdAt: VaultInstant
    /// Clients that were not removed.
    public let clients: Int64
    /// Users that were not removed.
    public let users: Int64
    /// Every grant that is still kept.
    public let grants: Int64
    /// Of those: neither revoked nor expired by themselves. Grants of disabled users and clients count.
    public let liveGrants: Int64
    /// Entries of the audit log.
    public let logSize: Int64
    /// Root of the newest checkpoint, 64 hexadecimal digits.
    public let logRoot: String
    /// Time of the last audited write.
    public let lastWriteAt: VaultInstant
    /// Last sign of a serving process.
    public let heartbeatAt: VaultInstant
    /// False while the disk is too full for new work.
    public let acceptsNewWork: Bool
    /// Exchanges of the last 24 hours.
    public let exchanges: ExchangeHistory
    /// When the live grants end by themselves.
    public let expiries: ExpiryHistogram
    /// Keys and their ages, keyslots, anchors.
    public let keys: KeySummary
}

extension Vault {
    /// Counts what is there. Reads every grant once, so it takes about a second per million, and at most
    /// ``ExchangeHistory/leaves`` entries of the log; changes nothing.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when the log's head is damaged, ``VaultError/Code/ioFailure``.
    public func status() throws -> VaultStatus {
        let now = clock.now()
        return try snapshot { [acceptsNewWork] database, keys in
            let vault = try VaultRow.read(database, rowKey: keys.keyring.rows)
            let head = try LogHead.read(database)
            let (expiries, kept) = try ExpiryHistogram.read(database, now: now)
            return VaultStatus(
                id: vault.id,
                schema: Int(try database.count("SELECT max(version) FROM schema_migrations")),
                createdAt: vault.createdAt,
                clients: try database.count("SELECT count(*) FROM owners WHERE kind = 3 AND state != 3"),
                users: try database.count("SELECT count(*) FROM owners WHERE kind = 2 AND state != 3"),
                grants: kept, liveGrants: expiries.total,
                logSize: head.size, logRoot: Hex.encode(head.root.bytes), lastWriteAt: head.lastTime,
                heartbeatAt: vault.heartbeatAt, acceptsNewWork: acceptsNewWork,
                exchanges: try ExchangeHistory.read(database, size: head.size, now: now), expiries: expiries,
                keys: try KeySummary.read(database, logSize: head.size))
        }
    }
}

extension Database {
    fileprivate func count(_ sql: String) throws -> Int64 {
        try firstRow(sql) { $0.integer(0) } ?? 0
    }
}
