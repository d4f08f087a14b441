import Logging
public import ServiceLifecycle
public import TokenVault
import VaultCore

/// Serves an open vault and keeps it up until graceful shutdown, then closes it.
///
/// Upkeep is: heartbeat (so that an outage does not use up anybody's retry window), first uses, counts of refusals, the
/// ballast, codes that were not redeemed, anchors, the comparison of every row with the log, and the pruning of entries
/// that are over the log's bounds.
///
/// Add it to the service's group before what uses the vault, so that it is shut down last.
///
/// ```swift
/// application.addServices(try await VaultService(vault))
/// ```
public struct VaultService: Service {
    private let vault: Vault
    private let retention: LogRetention
    private let isIssuing: Bool
    private let closesVault: Bool

    /// - Parameters:
    ///   - vault: served from now on: the first request may come before the service runs.
    ///   - retention: how much of the log is kept.
    ///   - isIssuing: false for a process that issues no tokens, such as a keeper's. The heartbeat says that tokens of the
    ///     vault are served, and retry windows run.
    ///   - closesVault: false leaves closing to the caller.
    /// - Throws: as ``Vault/beginServing()``.
    public init(
        _ vault: Vault, keeping retention: LogRetention = .standard, isIssuing: Bool = true,
        closesVault: Bool = true
    ) async throws {
        self.vault = vault
        self.retention = retention
        self.isIssuing = isIssuing
        self.closesVault = closesVault
        vault.warnOfUnlockedKeys()
        if isIssuing { try await vault.beginServing() }
    }

    /// - Throws: ``VaultError/Code/integrity`` once the log lacks what this process committed to it: an older copy is in
    ///   place of the newest, and nothing can be served. The vault is closed then too.
    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup { group in
                // Anchors may be slow: nothing else waits for them.
                group.addTask { try await everySecond { _ in await tellEach(AnchorKind.local) } }
                group.addTask { try await everySecond { _ in await tellEach([.witness]) } }
                group.addTask { try await vault.watchRows() }
                group.addTask { try await keepInBounds() }
                group.addTask { try await everySecond { _ in if let end = vault.end { throw end } } }
                if isIssuing {
                    group.addTask {
                        try await everySecond { await vault.keepUp(heartbeat: $0.isMultiple(of: 5)) }
                    }
                    group.addTask { try await purgeCodes() }
                }
                // Not `waitForAll`: that would wait for the others, which never end.
                for try await _ in group {}
            }
        }
        if closesVault { await vault.close() }
        if let end = vault.end { throw end }
    }

    private func everySecond(_ body: (Int) async throws -> Void) async throws {
        var turns = 0
        while !Task.isCancelled {
            try await Task.sleep(for: .seconds(1))
            turns += 1
            try await body(turns)
        }
    }

    /// An anchor that fails is counted and tried again, ever more rarely; `doctor` speaks of it.
    private func tellEach(_ kinds: Set<AnchorKind>) async {
        do { try await vault.anchors.publishCheckpoint(kinds) } catch {
            vault.logger.warning(
                "Checkpoints could not be published to anchors.", metadata: ["error": "\(error)"])
        }
    }

    /// Looks once a minute; all the grants there are first, in steps of a second.
    private func purgeCodes() async throws {
        var last: Int64 = 0
        while !Task.isCancelled {
            var seen = last
            do { seen = try await vault.purgeUnredeemedCodes(after: last) } catch {
                vault.logger.warning("Old codes could not be deleted.", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: .seconds(seen == last ? 60 : 1))
            last = seen
        }
    }

    /// Looks once an hour, and again soon while there is more, or while rows were not compared with the log yet.
    private func keepInBounds() async throws {
        while !Task.isCancelled {
            var hasMore = false
            do {
                hasMore = try await vault.log.keepInBounds(retention) {
                    try await Task.sleep(for: .milliseconds(200))
                }
            } catch let error as VaultError where error.code == .permissionDenied {
                return vault.logger.notice(
                    "Keeping the log in bounds is left to a process with all rights.",
                    metadata: ["error": "\(error)"])
            } catch let error as VaultError {
                vault.logger.warning("The log could not be kept in bounds.", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: .seconds(hasMore ? 1 : vault.rowPasses == 0 ? 60 : 3600))
        }
    }
}
