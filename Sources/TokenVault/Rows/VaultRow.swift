import Foundation
import Synchronization
package import VaultCore
import VaultCrypto
package import VaultStore

/// The one row of `vault`: what every transaction reads first.
package struct VaultRow: Sendable, Equatable {
    package let id: VaultID
    package let createdAt: VaultInstant
    package var keyEpoch: Int64
    /// How often the registry was changed: for people; ``stamp`` decides.
    package var registryRevision: Int64
    package var nextOwnerID: Int64
    package var nextGrantID: Int64
    package var nextSecretID: Int64
    package var nextKeyID: Int64
    /// The last heartbeat of a serving process, on both clocks.
    package var heartbeatAt: VaultInstant
    var heartbeat: ClockReading
    /// Milliseconds during which no process served.
    var outage: Int64
    /// Another one with every change of the registry; the last entry of the log names it.
    var stamp: RegistryRevision
    /// Of the rows that ``TableLayout/isOfSet(_:_:)`` has in the set, under `stamp`.
    var registryHash: Digest

    static let format: Int64 = 1

    /// `now` on the serving clock: the wall clock less all outages.
    func serving(at now: VaultInstant) -> VaultInstant {
        now.advanced(by: .milliseconds(-outage))
    }

    /// A serving process is alive. Between heartbeats the serving clock goes as the monotonic clock went:
    /// what the wall clock was set forward or back counts as outage, or as less of it. On another clock than the last
    /// heartbeat's nothing tells how long it served.
    mutating func beat(at now: VaultInstant, monotonic: ClockReading) {
        guard !monotonic.isOfServer else { return beatForAll(at: now, monotonic: monotonic) }
        let deviation = wallTime(to: now) - (monotonic.milliseconds(since: heartbeat) ?? 0)
        if abs(deviation) >= 1000 { outage += deviation }
        heartbeatAt = now
        heartbeat = monotonic
    }

    /// No process served since the last heartbeat: the serving clock stood still, whatever the wall clock did.
    mutating func beatAfterOutage(at now: VaultInstant, monotonic: ClockReading) {
        guard !monotonic.isOfServer else { return beatForAll(at: now, monotonic: monotonic) }
        outage += wallTime(to: now)
        heartbeatAt = now
        heartbeat = monotonic
    }

    /// One clock is everybody's, and any process may be the one that goes on: what passed since the last heartbeat of any was
    /// an outage where it is longer than the beats of a process that serves are apart.
    private mutating func beatForAll(at now: VaultInstant, monotonic: ClockReading) {
        let gap = wallTime(to: now)
        if gap > Self.longestPause { outage += gap }
        heartbeatAt = now
        heartbeat = monotonic
    }

    private static let longestPause: Int64 = 15_000

    private func wallTime(to now: VaultInstant) -> Int64 {
        now.millisecondsSince1970 - heartbeatAt.millisecondsSince1970
    }
}

// MARK: - In the database

extension VaultRow {
    private static let columnNames = TableLayout.vault.columns
    private static let selectSQL =
        "SELECT \(columnNames.joined(separator: ", ")), row_tag FROM vault WHERE id = 1"

    /// - Parameter rowKey: nil before the vault is unlocked: the tag is not checked then.
    /// - Throws: ``VaultError/Code/integrity`` when the row is missing, of another format, or was edited.
    package static func read(_ database: Database, rowKey: RowTags?) throws -> VaultRow {
        let found = try Tagged.read(database)
        if let rowKey { try found.check(rowKey) }
        return found.row
    }

    /// Answered by a row of ``Tagged``.
    static var question: StoreQuestion { StoreQuestion(selectSQL) }

    /// The row with its tag, which was not checked yet.
    struct Tagged {
        let row: VaultRow
        let tag: [UInt8]

        init(_ cursor: RowCursor) throws {
            guard case .blob(let tag) = cursor.value(columnNames.count) else { throw damaged }
            (row, self.tag) = (try VaultRow(cursor), tag)
        }

        fileprivate static func read(_ database: Database) throws -> Tagged {
            guard let found = try database.firstRow(selectSQL, [], Tagged.init) else { throw damaged }
            return found
        }

        func check(_ rowKey: RowTags) throws {
            guard row.canonical.isTagged(tag, under: rowKey.common) else { throw damaged }
        }
    }

    /// The row whose columns begin at column 0 of a query; its tag is not checked yet.
    private init(_ cursor: RowCursor) throws {
        let count = Self.columnNames.count
        guard cursor.integer(0) == Self.format, case .blob(let bytes) = cursor.value(1),
            let id = VaultID(bytes: bytes), case .text(let clock) = cursor.value(11),
            let stamp = RegistryRevision(cursor, at: count - 2),
            let registryHash = cursor.withBlob(count - 1, { $0.flatMap(Digest.init(stored:)) })
        else { throw Self.damaged }
        self.init(
            id: id,
            createdAt: VaultInstant(millisecondsSince1970: cursor.integer(2)),
            keyEpoch: cursor.integer(3),
            registryRevision: cursor.integer(4),
            nextOwnerID: cursor.integer(5),
            nextGrantID: cursor.integer(6),
            nextSecretID: cursor.integer(7),
            nextKeyID: cursor.integer(8),
            heartbeatAt: VaultInstant(millisecondsSince1970: cursor.integer(9)),
            heartbeat: ClockReading(clock: clock, milliseconds: cursor.integer(10)),
            outage: cursor.integer(12),
            stamp: stamp,
            registryHash: registryHash)
    }

    func update(rowKey: RowTags) -> RowWrite {
        RowWrite(replacing: .vault, columns + [.blob(canonical.tag(under: rowKey.common))])
    }

    func insert(rowKey: RowTags) -> RowWrite {
        RowWrite(making: .vault, columns + [.blob(canonical.tag(under: rowKey.common))])
    }

    private var canonical: CanonicalRow { CanonicalRow(.vault, id: 1, columns: columns, leaf: nil) }

    private var columns: [SQLValue] {
        [
            .integer(Self.format), .blob(id.bytes), SQLValue(createdAt), .integer(keyEpoch),
            .integer(registryRevision), .integer(nextOwnerID), .integer(nextGrantID), .integer(nextSecretID),
            .integer(nextKeyID), SQLValue(heartbeatAt), .integer(heartbeat.milliseconds),
            .text(heartbeat.clock), .integer(outage), .blob(stamp.bytes), .blob(registryHash.bytes),
        ]
    }

    /// Whether a number is lower than in `other`, which none of these ever is again.
    func isOlder(than other: VaultRow) -> Bool {
        keyEpoch < other.keyEpoch || nextOwnerID < other.nextOwnerID || nextGrantID < other.nextGrantID
            || nextSecretID < other.nextSecretID || nextKeyID < other.nextKeyID
    }

    static let outdated = VaultError(
        .integrity,
        "The vault's own record is not the newest: the last entry of the log names another, or this process saw a newer one.",
        remedy: "Stop the service, keep a copy of the files, and restore a backup.")

    package static let damaged = VaultError(
        .integrity, "The vault's own record is missing, of another format, or was changed from outside.",
        remedy: "Verify the audit log of a copy, then restore a backup.")
}

extension UnsafeRawBufferPointer? {
    /// Octet by octet; for what is no secret.
    fileprivate func isSame(as other: UnsafeRawBufferPointer) -> Bool {
        guard let bytes = self?.baseAddress, let own = other.baseAddress, self?.count == other.count else {
            return false
        }
        return memcmp(bytes, own, other.count) == 0
    }
}

/// The vault row as last found authentic. Every check of an access token needs it, and it seldom changes between two of
/// them: the row with the same tag is taken to be the same, and what was authentic is used, not what lies beside the tag.
final class KnownVaultRow: Sendable {
    final class Known: Sendable {
        fileprivate let tagged: VaultRow.Tagged
        var row: VaultRow { tagged.row }

        /// Reads it; what it is was not checked yet.
        init(_ database: Database) throws { tagged = try .read(database) }
    }

    private let last = Mutex<Known?>(nil)

    /// Nil: the row is another than the one that was noted last. Its tag is in column 0 of the query.
    func row(in cursor: RowCursor) -> Known? {
        guard let known = last.withLock({ $0 }) else { return nil }
        let isSame = cursor.withBlob(0) { stored in known.tagged.tag.withUnsafeBytes { stored.isSame(as: $0) }
        }
        return isSame ? known : nil
    }

    /// Notes a row that was read, once its tag shows that it is authentic.
    ///
    /// - Throws: ``VaultError/Code/integrity``.
    func keep(_ found: Known, _ rowKey: RowTags) throws {
        try found.tagged.check(rowKey)
        last.withLock { $0 = found }
    }
}
