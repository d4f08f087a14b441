import MerkleLog
import SQLiteStore
package import TokenVault
public import VaultCore
public import VaultCrypto
package import VaultStore

extension VaultLog {
    /// Verifies the log, every live row against it, and the log against what file anchors have and witnesses
    /// cosigned.
    ///
    /// Reads one snapshot on a connection of its own; writers and other readers go on meanwhile. Memory grows with the
    /// number of live rows, not of entries. Takes two processors where there are two.
    ///
    /// - Parameters:
    ///   - since: a signed checkpoint of this log, kept outside it: that the log begins with it is checked, and then
    ///     only what came since, with the rows it names.
    ///   - progress: called now and then with the share done, 0 to 1.
    /// - Throws: ``VaultError/Code/integrity`` for a checkpoint this log did not sign.
    public func verify(
        since: String? = nil, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> AuditReport {
        try await verify(since: since, comparesAnchors: true, progress: progress)
    }

    /// - Parameter comparesAnchors: false for a vault just restored: what was given up is the operator's to decide.
    package func verify(
        since: String? = nil, comparesAnchors: Bool, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> AuditReport {
        let witnesses = comparesAnchors ? await vault.anchors.askWitnesses() : []
        return try await BlockingThread.result {
            // Read before the snapshot: what an anchor was told by then is in it.
            let anchors =
                comparesAnchors ? (try? AnchorComparison.readings(vault.store, vault.liveKeys)) ?? [] : []
            return try vault.store.withOwnReader { database in
                // Its rows would look edited.
                try vault.store.refuseNewer(database)
                let keyring = try vault.liveKeys.keys(examining: database).keyring
                let key = keyring.signer.key
                let checkpoint = try since.map { try Checkpoint.read(Array($0.utf8), signedBy: key) }
                let rows =
                    checkpoint == nil
                    ? try RowScan.beside(database, vault.store, keyring)
                    : { try RowScan(database, keyring) }
                var report = try AuditVerifier(database, key: key, keyring: keyring, progress: progress)
                    .verify(since: checkpoint, rows: rows)
                for (anchor, reading) in anchors {
                    report.compare(anchor, reading, database, keyring)
                }
                for witness in witnesses { report.add(witness) }
                return report
            }
        }
    }

    /// Verifies a copy of a vault without its keys: the log against its public key, and the rows against the
    /// log. Writes nothing. What needs keys (row tags, personal data) is not checked.
    ///
    /// - Parameters:
    ///   - verifierKey: the log's C2SP vkey, kept by anyone who checks; see ``verifierKey``.
    ///   - since: as for ``verify(since:progress:)``.
    public static func verify(
        at path: String, verifierKey: String, since: String? = nil
    ) async throws -> AuditReport {
        let key = try AuditProof.key(verifierKey)
        return try await BlockingThread.result {
            try Vault.reading(path) { try inspect($0, key, nil, since: since) { _ in } }
        }
    }

    /// Verifies a vault with its keys where it does not open: one that cannot be written, or is damaged. Writes nothing,
    /// so that the log has no entry of it.
    ///
    /// - Parameters:
    ///   - refusal: why it does not open: is a finding, unless it only cannot be written.
    ///   - since: as for ``verify(since:progress:)``.
    /// - Throws: as ``Vault/open(at:unlockedBy:configuration:for:)``, where too little of it can be read.
    public static func verify(
        at path: String, unlockedBy source: KeySource, refusal: VaultError, since: String? = nil,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> AuditReport {
        try await BlockingThread.result {
            try Sodium.start()
            return try Vault.reading(path) { database in
                let keyring = try Vault.keyring(database, source)
                var report = try inspect(database, keyring.signer.key, keyring, since: since, progress)
                if [.integrity, .schemaChanged].contains(refusal.code) {
                    report.add("vault", refusal.message)
                }
                guard try database.hasAnchors(.file) else { return report }
                for anchor in try database.anchors(keyring) where anchor.kind == .file {
                    report.compare(anchor, AnchorReading(anchor.target), database, keyring)
                }
                return report
            }
        }
    }

    private static func inspect(
        _ database: Database, _ key: NoteKey, _ keyring: Keyring?, since: String?,
        _ progress: @escaping (Double) -> Void
    ) throws -> AuditReport {
        let checkpoint = try since.map { try Checkpoint.read(Array($0.utf8), signedBy: key) }
        return try AuditVerifier(database, key: key, keyring: keyring, progress: progress)
            .verify(since: checkpoint) { try RowScan(database, keyring) }
    }
}

extension Vault {
    package static func keyring(_ database: Database, _ source: KeySource) throws -> Keyring {
        let row = try VaultRow.read(database, rowKey: nil)
        let (opened, _) = try Unlocking.unlock(database, vault: row, source)
        return try Keyring.load(database, vault: row, opened: opened)
    }

    /// One snapshot of a vault that is not opened.
    ///
    /// - Parameter isOfAnyVersion: a newer program may have written it.
    package static func reading<Result>(
        _ path: String, isOfAnyVersion: Bool = false, _ body: (Database) throws -> Result
    ) throws -> Result {
        let path = try VaultFile.resolve(path)
        try VaultFile.check(path, isWritten: false)
        ParkedDescriptors.storeOpens(path)
        defer { ParkedDescriptors.storeClosed(path) }
        do {
            let reader = try ReaderConnections(path, count: 1)
            defer { try? reader.close() }
            return try reader.snapshot { database in
                if !isOfAnyVersion { try SchemaLedger().refuseNewer(database) }
                return try body(database)
            }
        } catch { throw StorageFailure.translate(error, isOpening: true) }
    }
}

/// What `audit verify` found.
public struct AuditReport: Sendable {
    /// Entries of the log, those counted that were pruned.
    public internal(set) var size: Int64 = 0
    /// Root of the tree over them, 64 hexadecimal digits: recomputed, not read.
    public internal(set) var root = ""
    /// The first entry whose bytes are kept: 0 unless the log was pruned.
    public internal(set) var firstKept: Int64 = 0
    /// The size of the checkpoint that the check started from; 0 for the whole log.
    public internal(set) var since: Int64 = 0
    /// Rows compared with the leaves that name them.
    public internal(set) var rows = 0
    /// Number of compared rows that are as a proven entry says.
    public internal(set) var untouchedRows = 0
    /// Grants among the rows compared, and among the untouched ones.
    public internal(set) var grants = 0
    public internal(set) var untouchedGrants = 0
    /// The entries from ``firstKept`` to before this one are the ones that were signed.
    public internal(set) var provenSize: Int64 = 0
    /// The first entry that is not as it was written, as near as the hashes tell.
    public internal(set) var firstBadEntry: Int64?
    /// Grants whose row, or whose entry, is not as it was written; at most ``limit``, ascending.
    public internal(set) var affectedGrants: [Int64] = []
    public internal(set) var furtherAffectedGrants = 0
    /// Nothing: the log is intact and the database is what it says. At most ``limit`` are kept.
    public internal(set) var findings: [AuditFinding] = []
    /// How many there were beyond those kept.
    public internal(set) var furtherFindings = 0
    /// What is no damage, and worth knowing.
    public internal(set) var notes: [String] = []
    /// The signed note over the newest checkpoint.
    public internal(set) var checkpointNote = ""

    public static let limit = 100

    public var isIntact: Bool { findings.isEmpty }

    mutating func add(_ place: String, _ problem: String) {
        if findings.count < Self.limit {
            findings.append(AuditFinding(place: place, problem: problem))
        } else {
            furtherFindings += 1
        }
    }

    fileprivate mutating func compare(
        _ anchor: AnchorRow, _ reading: AnchorReading, _ database: Database, _ keyring: Keyring
    ) {
        do {
            let comparison = try AnchorComparison(anchor, reading, database, keyring)
            if let problem = comparison.problem { add("anchors", problem) }
            if let note = comparison.note { notes.append(note) }
        } catch { add("anchors", StorageFailure.translate(error).message) }
    }

    /// A finding about one entry.
    mutating func add(entry: Int64, _ problem: String) {
        add("entry \(entry)", problem)
        firstBadEntry = min(firstBadEntry ?? entry, entry)
    }
}

/// One difference from what was written.
public struct AuditFinding: Sendable, Codable, Equatable {
    /// The place of the difference, as `entry 17`, `grants 42` or `head`.
    public let place: String
    public let problem: String

    public init(place: String, problem: String) {
        self.place = place
        self.problem = problem
    }
}
