import Logging
import Synchronization
import TokenVault
import VaultCore
import VaultStore

/// What the passes over the rows found.
final class RowWatch: Sendable {
    private let state = Mutex((damage: [AuditFinding](), passes: 0))

    /// Passes that ended.
    var passes: Int { state.withLock { $0.passes } }

    /// Returns those of the findings that were not known.
    fileprivate func found(_ findings: [AuditFinding]) -> [AuditFinding] {
        state.withLock { state in
            let new = findings.filter { !state.damage.contains($0) }
            state.damage += new
            return new
        }
    }

    fileprivate func ended(_ findings: [AuditFinding]) {
        state.withLock { state in
            state.damage = findings
            state.passes += 1
        }
    }
}

/// A running pass, with the connection it reads on.
private final class RunningPass: Sendable {
    private let pass = Mutex(RowPass())
    private let store: any VaultStore
    private let reader: any StoreReader

    init(_ store: any VaultStore) throws {
        self.store = store
        reader = try store.longReader()
    }

    /// On a thread of its own, whose time is measured.
    ///
    /// - Returns: what was found so far, and what the slice took of a processor.
    func slice(
        _ keys: LiveKeys, of limit: Duration
    ) async throws -> (findings: [AuditFinding], count: Int, isDone: Bool, isOutrun: Bool, used: Duration) {
        try await BlockingThread.result { [self] in
            let start = MachineClock.thread
            // A vault that was closed is not read on.
            _ = try store.reader
            return try pass.withLock { pass in
                let floor = keys.floor
                try reader.snapshot { database in
                    try store.refuseNewer(database)
                    let keyring = try keys.keys(for: database, above: floor).keyring
                    try pass.step(database, keyring) { MachineClock.thread - start >= limit }
                }
                return (pass.findings, pass.count, pass.isDone, pass.isOutrun, MachineClock.thread - start)
            }
        }
    }

    func close() { try? reader.close() }
}

extension Vault {
    package var rowPasses: Int { rowWatch.passes }
    private var rowWatch: RowWatch { companion(RowWatch()) }

    /// Compares every row with the log again and again, until it is cancelled.
    func watchRows() async throws {
        while !Task.isCancelled {
            var pace = PassPace()
            do {
                try await compareRows(&pace) { try await Task.sleep(for: $0) }
            } catch let error as VaultError where error.code == .permissionDenied {
                return logger.notice(
                    "Comparing rows with the log is left to a process that may read every table.",
                    metadata: ["error": "\(error)"])
            } catch let error as VaultError {
                logger.warning(
                    "The rows could not be compared with the log; this is retried.",
                    metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: pace.pause)
        }
    }

    /// Compares every row with the last entry that names it, once. What is found is logged and counted at
    /// once, and stands until a pass ends without it.
    ///
    /// - Parameter rest: called after each slice with how long to rest.
    /// - Throws: what reading throws, but damage, which is a finding; and what `rest` throws.
    package func compareRows(
        _ pace: inout PassPace, of slice: Duration = PassPace.slice, rest: (Duration) async throws -> Void
    ) async throws {
        var running = try RunningPass(store)
        defer { running.close() }
        while true {
            do {
                let slice = try await running.slice(liveKeys, of: slice)
                report(slice.findings, slice.count)
                guard !slice.isDone else { return end(slice.findings, slice.count) }
                if slice.isOutrun {
                    running.close()
                    running = try RunningPass(store)
                }
                try await rest(pace.rest(after: slice.used))
            } catch let error as VaultError where error.code == .integrity {
                let finding = AuditFinding(place: "database", problem: error.message)
                report([finding], 1)
                return end([finding], 1)
            }
        }
    }

    private func end(_ findings: [AuditFinding], _ count: Int) {
        damagedRows = count
        rowWatch.ended(findings)
    }

    private func report(_ findings: [AuditFinding], _ count: Int) {
        damagedRows = max(damagedRows, count)
        for finding in rowWatch.found(findings) {
            logger.error(
                "The vault is not what its log says. Stop the service, verify the audit log and restore a backup.",
                metadata: ["row": "\(finding.place)", "problem": "\(finding.problem)"])
        }
    }
}
