import Foundation
import MerkleLog
import PostgresStore
import SQLiteStore
public import TokenVault
import VaultAudit
public import VaultCore
public import VaultCrypto
import VaultStore

/// Examines everything in and around a vault that can be examined without its keys, and says what to do.
///
/// Writes nothing, needs no key, and goes on when the vault does not open: what cannot be read is a finding. What needs
/// keys is ``Vault/examine()``.
///
/// ```swift
/// for check in await VaultDoctor("/var/lib/app/vault").examine() where check.severity >= .warning {
///     print(check.id, check.what, check.remedy)
/// }
/// ```
///
/// Bounded: it reads the newest entry of the log, every provider and connection once, and pages of the file up to
/// ``quickCheckBytes`` unless it is asked to be thorough.
public struct VaultDoctor: Sendable {
    /// The largest file whose pages are all checked by default: about a second.
    public static let quickCheckBytes: Int64 = 256 << 20

    let place: VaultPlace
    let keyFile: String?
    let clock: any VaultClock
    let isThorough: Bool

    /// - Parameters:
    ///   - place: where the vault is.
    ///   - keyFile: the key file to examine, if there is one; its content is not read.
    ///   - isThorough: look at every page of the file however large it is.
    public init(
        _ place: VaultPlace, keyFile: String? = nil, clock: any VaultClock = SystemClock(),
        isThorough: Bool = false
    ) {
        self.place = place
        self.keyFile = keyFile
        self.clock = clock
        self.isThorough = isThorough
    }

    /// - Parameter path: of the database file.
    public init(
        _ path: String, keyFile: String? = nil, clock: any VaultClock = SystemClock(),
        isThorough: Bool = false
    ) {
        self.init(.file(path), keyFile: keyFile, clock: clock, isThorough: isThorough)
    }

    /// Every check that needs no key, in the order of its groups: files, space, memory, serving, sqlite, schema, log, keys, and
    /// what the tables say.
    public func examine() async -> [DoctorCheck] {
        do {
            return try await BlockingThread.result {
                switch place {
                case .file(let path): examineFile(path)
                case .postgres(let service): examineServer(service)
                }
            }
        } catch {
            return [.failed("files.vault", error)]
        }
    }

    private func examineServer(_ service: String) -> [DoctorCheck] {
        let id = "postgres.opens"
        do {
            let reader = try PostgresStore.examiner(of: PostgresPlace(service: service))
            defer { try? reader.close() }
            return try reader.snapshot { database in
                guard try database.hasTable("store_state") else {
                    throw VaultError(
                        .notFound, "There is no vault in the database of service \(service).",
                        remedy: "Check the service, or create a vault.")
                }
                return [.ok(id, "The database of service \(service) can be opened for writing.")]
                    + DatabaseExamination(
                        database, path: nil, clock: clock, serving: nil, isThorough: isThorough
                    ).checks()
            }
        } catch { return [.failed(id, error)] }
    }

    private func examineFile(_ path: String) -> [DoctorCheck] {
        let resolved: String
        do { resolved = try VaultFile.resolve(path) } catch { return [.failed("files.vault", error)] }
        let files = FileExamination(path: path, resolved: resolved, keyFile: keyFile)
        var checks = files.checks()
        guard !checks.contains(where: { $0.code == .notAVault }) else { return checks }
        checks += files.spaceChecks()
        let serving = ServingState(beside: resolved)
        checks += [serving.memoryCheck(), ServingState.confinementCheck()]
        ParkedDescriptors.storeOpens(resolved)
        defer { ParkedDescriptors.storeClosed(resolved) }
        do {
            let reader = try ReaderConnections(resolved, count: 1)
            defer { try? reader.close() }
            checks += try reader.snapshot { database in
                let examination = DatabaseExamination(
                    database, path: resolved, clock: clock, serving: serving, isThorough: isThorough)
                // Of another program's file everything else would be nonsense.
                guard try examination.isVault() else {
                    throw VaultError(
                        .notAVault, "The file is not a vault.", remedy: "Check the path of the vault.")
                }
                return examination.checks()
            }
        } catch {
            checks.append(serving.check(heartbeat: nil, now: clock.now()))
            checks.append(.failed("sqlite.opens", StorageFailure.translate(error, isOpening: true)))
        }
        return checks
    }
}

/// One snapshot of the database, and what it is compared with.
struct DatabaseExamination {
    let database: Database
    /// Of its file; nil where it is in PostgreSQL, as the next.
    let path: String?
    let now: VaultInstant
    let monotonic: ClockReading
    let serving: ServingState?
    let isThorough: Bool

    init(
        _ database: Database, path: String?, clock: any VaultClock, serving: ServingState?, isThorough: Bool
    ) {
        self.database = database
        self.path = path
        now = clock.now()
        monotonic = clock.reading()
        self.serving = serving
        self.isThorough = isThorough
    }

    /// Each group by itself: one that fails keeps no other from being looked at.
    func checks() -> [DoctorCheck] {
        let engine: [(String, () throws -> [DoctorCheck])]
        if let path, let serving {
            engine = [
                ("serving", { [try servingCheck(serving)] }), ("sqlite", { try sqliteChecks(path) }),
                ("schema", { [try schemaCheck()] }),
            ]
        } else {
            engine = [("postgres", postgresChecks)]
        }
        let groups =
            engine + [
                ("log", logChecks),
                ("clock", { [try clockCheck()] }), ("anchors", anchorChecks), ("slots", slotChecks),
                ("keys", keyChecks),
                ("clients", clientChecks), ("jobs", { [try jobCheck()] }), ("connections", connectionChecks),
                ("providers", { [try providerCheck()] }), ("webhooks", webhookChecks),
                ("backups", backupChecks),
            ]
        return groups.flatMap { name, examine in
            do { return try examine() } catch { return [.failed("\(name).readable", error)] }
        }
    }

    /// Whether the header says that the file is one of ours.
    func isVault() throws -> Bool { try count("PRAGMA application_id") == Int64(VaultFile.applicationID) }

    func count(_ sql: String, _ values: [SQLValue] = []) throws -> Int64 { try database.count(sql, values) }

    /// The finding about a number of things; `fine`, if anything, for zero.
    func check(
        _ number: Int64, _ noun: String, else fine: DoctorCheck? = nil, _ found: (String) -> DoctorCheck
    ) -> [DoctorCheck] {
        number > 0 ? [found(DoctorText.count(number, noun))] : fine.map { [$0] } ?? []
    }

    /// Milliseconds since `instant`; negative where that lies ahead.
    func age(_ millisecondsSince1970: Int64) -> Int64 { now.millisecondsSince1970 - millisecondsSince1970 }

    /// A file of an older schema lacks the newer tables.
    func has(_ table: String) throws -> Bool { try database.hasTable(table) }
}

extension Vault {
    /// Rows of each table whose tags the doctor checks; the rest is for `audit verify`.
    public static let examinedRows = 1000

    /// Examines what needs the keys: the signature over the log, and the tags of the rows that
    /// decide. Reads at most ``examinedRows`` of each table; changes nothing.
    public func examine() async -> [DoctorCheck] {
        do {
            return try await BlockingThread.result { [store, liveKeys] in
                try store.withOwnReader { database in
                    try store.refuseNewer(database)
                    return Self.examine(database, try liveKeys.keys(examining: database).keyring)
                }
            }
        } catch {
            return [.failed("rows.readable", error)]
        }
    }

    /// Examines a vault that does not open because it cannot be written. Throws if no keyslot opens.
    public static func examine(_ path: String, unlockedBy source: KeySource) async throws -> [DoctorCheck] {
        try await BlockingThread.result {
            try Sodium.start()
            return try reading(path) { examine($0, try keyring($0, source)) }
        }
    }

    private static func examine(_ database: Database, _ keyring: Keyring) -> [DoctorCheck] {
        [signature(database, keyring), tags(database, keyring), freshness(database, keyring)]
    }

    private static func signature(_ database: Database, _ keyring: Keyring) -> DoctorCheck {
        let id = "log.signature"
        do {
            let head = try LogHead.read(database)
            guard head.isSigned(by: keyring.signer.key) else {
                return .error(
                    id, .integrity, "The head of the log is not signed by this vault's key.",
                    "Verify the audit log, then restore a backup.")
            }
            return .ok(id, "The head is signed by this vault's key.")
        } catch { return .failed(id, error) }
    }

    private static func freshness(_ database: Database, _ keyring: Keyring) -> DoctorCheck {
        let id = "vault.newest"
        do {
            for error in try database.freshness(keyring) { throw error }
            return .ok(
                id, "The last entry names the vault's own record, which counts the rows that are there.")
        } catch { return .failed(id, error) }
    }

    private static func tags(_ database: Database, _ keyring: Keyring) -> DoctorCheck {
        let id = "rows.tags"
        var (checked, others) = (0, 0)
        do {
            _ = try VaultRow.read(database, rowKey: keyring.rows)
            for layout in TableLayout.tagged {
                try database.forEachRow(layout.selectSQL + " ORDER BY id DESC LIMIT \(examinedRows)") {
                    cursor in
                    do {
                        try StoredRow.check(cursor, layout, rowKey: keyring.rows, at: 0)
                        checked += 1
                    } catch let error as VaultError where error.code == .denied { others += 1 }
                    return true
                }
            }
            let unchecked = others == 0 ? "" : " \(others) are of roles whose keys are not held."
            return .ok(id, "\(checked) rows carry the tag that their columns ask for." + unchecked)
        } catch { return .failed(id, error) }
    }
}
