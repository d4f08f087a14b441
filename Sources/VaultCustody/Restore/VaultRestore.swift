import Foundation
import MerkleLog
import SQLiteStore
public import TokenVault
import VaultAudit
import VaultCore
public import VaultCrypto
import VaultStore

/// Makes a vault from a backup, without bringing back what was superseded, revoked or erased since.
///
/// ```swift
/// var restore = VaultRestore(
///     backup: "vault.backup", keys: "vault.backup-keys", unlockedBy: .keyFile(path: "vault.key"), to: "restored")
/// restore.newest = try .found(at: "damaged-vault")
/// let plan = try await restore.plan()
/// let outcome = try await restore.apply()
/// ```
public struct VaultRestore: Sendable {
    /// The data file of a backup.
    public var backup: String
    /// The path of the backup's keys.
    public var keys: String
    /// The key that opens one of the keyslots in the backup's keys.
    public var source: KeySource
    /// Path of the new vault; it must be free.
    public var path: String
    /// The newest log; nil if not given: then every issued grant is revoked.
    public var newest: NewestLog?
    /// A signed checkpoint that the newest log must contain, as an anchor keeps it: so a log that was cut is found.
    public var checkpoint: String?
    /// The log's vkey as it was kept outside the vault: it must have signed the backup's log, or the newest one.
    public var logVerifierKey: String?
    /// Whether a restore without a newest log keeps the grants instead of revoking them.
    public var keepsGrants = false
    public var configuration: VaultConfiguration

    public init(
        backup: String, keys: String, unlockedBy source: KeySource, to path: String,
        configuration: VaultConfiguration = VaultConfiguration()
    ) {
        self.backup = backup
        self.keys = keys
        self.source = source
        self.path = path
        self.configuration = configuration
    }

    /// Returns what ``apply(progress:)`` would do, and changes nothing.
    ///
    /// - Parameter progress: called now and then with the share done, 0 to 1.
    /// - Throws: as ``apply(progress:)``.
    public func plan(progress: @escaping @Sendable (Double) -> Void = { _ in }) async throws -> RestorePlan {
        try await BlockingThread.result {
            let area = try RestoreArea(for: path)
            defer { area.clear() }
            return try prepare(in: area, progress).plan
        }
    }

    /// Restores: builds the vault under a provisional name, checks it whole, and gives it its own at the end.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/locked`` (the keys belong to others),
    ///   ``VaultError/Code/integrity`` (a damaged backup, or a newest log that proves nothing),
    ///   ``VaultError/Code/busy`` (another operator restores here, or the damaged vault is still served),
    ///   ``VaultError/Code/outOfSpace``; nothing is left at `path` then.
    public func apply(progress: @escaping @Sendable (Double) -> Void = { _ in }) async throws
        -> RestoreOutcome
    {
        let area = try RestoreArea(for: path)
        defer { area.clear() }
        try checkNobodyServes(area.target)
        let prepared = try await BlockingThread.result { try prepare(in: area) { progress($0 * 0.5) } }
        do {
            let outcome = try await build(prepared, in: area) { progress(0.5 + $0 * 0.45) }
            try await BlockingThread.result { try area.publish() }
            progress(1)
            return outcome
        } catch let error as VaultError where error.code == .outcomeUnknown {
            // Of a commit to what is thrown away.
            throw VaultError(
                .ioFailure, "The disk failed while the restored vault was written; nothing was left behind.",
                remedy: "Check the disk for space and errors, then restore again.")
        }
    }

    private func build(
        _ prepared: PreparedRestore, in area: RestoreArea, _ progress: @escaping @Sendable (Double) -> Void
    ) async throws -> RestoreOutcome {
        let vault = try await BlockingThread.result {
            try prepared.beginIncarnation(at: area.draft, configuration)
            return try Vault.opened(at: area.draft, root: prepared.root, configuration: configuration)
        }
        do {
            let outcome = try await work(in: vault, prepared, area, progress)
            await vault.close()
            return outcome
        } catch {
            await vault.close()
            throw error
        }
    }

    private func work(
        in vault: Vault, _ prepared: PreparedRestore, _ area: RestoreArea,
        _ progress: @escaping @Sendable (Double) -> Void
    ) async throws -> RestoreOutcome {
        try await RestoreWork(vault: vault, plan: prepared.plan, grants: prepared.grants).run()
        let report = try await vault.log.verify(comparesAnchors: false, progress: progress)
        guard report.isIntact else {
            throw VaultError(
                .integrity,
                "The restored vault differs from its log: "
                    + (report.findings.first.map { "\($0.place) \($0.problem)" } ?? "") + ".",
                remedy: "The backup is of a damaged vault: restore an older one.")
        }
        return RestoreOutcome(
            plan: prepared.plan, path: area.target, logOrigin: vault.keyring.signer.key.name,
            logVerifierKey: vault.log.verifierKey, logSize: try await vault.auditSize())
    }

    /// Two vaults of one name that both hand out tokens could not be told apart. A service whose file was
    /// moved away still holds the lock where the new vault will be.
    private func checkNobodyServes(_ target: String) throws {
        var places = [target]
        if case .vault(let path)? = newest { places.append(try VaultFile.resolve(path)) }
        for place in places where ServingState(beside: place).isServed {
            throw VaultError(
                .busy, "A service still uses \(place).",
                remedy: "Stop it first: its further work would be lost.")
        }
    }
}

/// A vault that was restored.
public struct RestoreOutcome: Sendable {
    public let plan: RestorePlan
    /// The path of the restored vault.
    public let path: String
    /// The new name of its log.
    public let logOrigin: String
    /// The verifier key with which others check the log's checkpoints from now on.
    public let logVerifierKey: String
    public let logSize: Int64
}

extension VaultRestore {
    /// Unseals the backup into the area, brings its schema up to date, and compares it with the newest log.
    func prepare(in area: RestoreArea, _ progress: @Sendable (Double) -> Void) throws -> PreparedRestore {
        try Sodium.start()
        let opened = try OpenedBackup(backup, keys, source)
        let size = opened.file.header.byteCount
        try FreeSpace.check(size, in: VaultFile.directory(of: area.target))
        try opened.unseal(to: area.draft, progress)
        do {
            let writer = try Connections.openWriter(area.draft)
            defer { try? writer.close() }
            try writer.use(opened.check)
            try configuration.ledger.bringUpToDate(writer, at: configuration.clock.now())
            return try writer.use { try compare($0, opened) }
        } catch { throw StorageFailure.translate(error) }
    }

    private func compare(_ database: Database, _ opened: OpenedBackup) throws -> PreparedRestore {
        let row = try VaultRow.read(database, rowKey: nil)
        let loaded = try Keyring.load(database, vault: row, opened: .root(opened.root))
        _ = try VaultRow.read(database, rowKey: loaded.rows)
        let keyring = loaded.showing(LiveRoster(try Roster(database, loaded.rowSet)))
        let head = try LogHead.read(database)
        guard head.isSigned(by: keyring.signer.key), try head.isTimed(database) else {
            throw VaultError(
                .integrity, "The log in the backup is not signed by its vault.",
                remedy: "Restore another backup.")
        }
        for error in try database.freshness(keyring) {
            throw VaultError(
                .integrity, "The backup is of a damaged vault. " + error.message,
                remedy: "Restore an older one.")
        }
        let proven = try newest.map { try prove($0, database, after: head, keyring) }
        var plan = RestorePlan(backup: opened.file.header, newest: proven?.facts)
        if let note = try checkSigner(head, proven) { plan.notes.append(note) }
        var planner = RestorePlanner(
            database: database, keyring: keyring, replay: proven?.replay, keepsGrants: keepsGrants,
            openedBy: opened.slot.id, plan: plan)
        try planner.fill()
        return PreparedRestore(
            plan: planner.plan, grants: planner.endedGrants, root: opened.root, keyring: keyring,
            parent: head,
            openedBy: opened.slot, largest: proven?.replay?.largest ?? [:])
    }
}
