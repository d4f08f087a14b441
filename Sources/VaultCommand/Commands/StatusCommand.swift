import ArgumentParser
import Foundation
import VaultCore
import VaultCrypto
import VaultCustody

/// Shows what is in the vault and how it is.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what is in the vault, its log and its disk.",
        discussion: """
            Reads every grant once, about a second per million, and the newest \(ExchangeHistory.leaves) entries \
            of the log. 'exchanges' has a bar for each of the last 24 hours, 'expiry' one for the live grants \
            that end within an hour, a day, a week, 30 days, 90 days, a year, and later.

            Examples:
              tokenvault status
              tokenvault status --json
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let place = try location.place()
        let (status, slots) = try await location.withVault {
            (try await $0.status(), try await $0.keys.slots())
        }
        try output.show(Shown(status, at: place))
        output.noteMissingRecoveryKey(among: slots)
    }
}

extension Shown {
    /// The vault at a glance. `exchanges` are those of the last 24 hours, in 24 equal spans, older ones not read where
    /// `is_cut`; each of `expiries` counts live grants that end within that number of hours, the last those that end later.
    fileprivate init(_ status: VaultStatus, at place: VaultPlace) {
        let now = SystemClock().now()
        let isLocked = ProcessHardening.areKeysLocked()
        let history = status.exchanges
        var free: Int64?
        var space = "the database server's"
        if case .file(let path) = place {
            let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
            // What an unprivileged process may still write there.
            free = (attributes?[.systemFreeSize] as? NSNumber)?.int64Value
            space = free.map { "\($0 / 1_048_576) MiB free" } ?? "unknown"
        }
        let expiries = status.expiries.map {
            (hours: $0.within.map { $0.components.seconds / 3600 }, grants: $0.grants)
        }
        let keys = status.keys.map { key in
            (key.purpose, key.createdAt, days: now.elapsed(since: key.createdAt).components.seconds / 86_400)
        }
        let exchanges = Shown([
            .json("from", history.from), .json("answered", history.answered),
            .json("refused", history.refused), .json("revoked", history.revoked),
            .json("is_cut", history.isCut),
        ])
        self.init([
            .both("vault", place.description), .both("vault_id", status.id.description),
            .both("schema", status.schema),
            .both("clients", status.clients), .both("users", status.users),
            .both("grants", status.grants, as: "\(status.grants), of them \(status.liveGrants) live"),
            .json("live_grants", status.liveGrants),
            .json(
                "expiries",
                expiries.map { Shown([.json("within_hours", $0.hours), .json("grants", $0.grants)]) }),
            .text("expiry", Self.line(of: expiries)),
            .both("exchanges", exchanges, as: Self.line(of: history)), .json("log_size", status.logSize),
            .text("log", "\(status.logSize) entries"), .json("first_kept", status.firstKept),
            .json("oldest_entry", status.oldestEntryAt), .json("covered_entries", status.coveredEntries),
            .text("retention", Self.retentionLine(status)), .both("root", status.logRoot),
            .both("anchors", status.anchors, as: Self.anchorLine(status)),
            .json("anchor_lag", status.anchorLag),
            .both(
                "keys",
                keys.map { Shown([.json("purpose", $0), .json("created_at", $1), .json("age_days", $2)]) },
                as: keys.map { "\($0.0) \($0.days) d" }.joined(separator: ", ")),
            .both(
                "keyslots", status.keyslots,
                as: "\(status.keyslots), "
                    + (status.hasRecoveryKey
                        ? "one of them for recovery"
                        : "none for recovery: 'tokenvault key recovery create' makes one")),
            .json("has_recovery_key", status.hasRecoveryKey), .both("created_at", status.createdAt),
            .both("last_write", status.lastWriteAt), .both("last_heartbeat", status.heartbeatAt),
            .both(
                "memory_locked", isLocked, label: "memory",
                as: isLocked
                    ? "keys are locked into it"
                    : "keys are not locked into it, and may be written to swap. \(ProcessHardening.lockingAdvice)"
            ),
            .json("accepts_new_work", status.acceptsNewWork), .json("free_bytes", free),
            .text("disk", space + (status.acceptsNewWork ? "" : "; too little: no new work is taken")),
        ])
    }

    private static func line(of history: ExchangeHistory) -> String {
        let total = history.answered.reduce(0, +)
        let span = history.isCut ? "since \(Timestamp(history.from))" : "in 24 h"
        return "\(Sparkline.text(history.answered))  \(total) \(span), \(history.refused) refused, "
            + "\(history.revoked) revoked for reuse"
    }

    private static func line(of expiries: [(hours: Int64?, grants: Int64)]) -> String {
        let words = expiries.filter { $0.grants > 0 }.map { expiry in
            let within = expiry.hours.map { $0 < 24 ? "\($0) h" : "\($0 / 24) d" }
            return "\(expiry.grants) " + (within.map { "within \($0)" } ?? "later")
        }
        let bars = Sparkline.text(expiries.map(\.grants))
        return "\(bars)  \(words.isEmpty ? "no live grant" : words.joined(separator: ", "))"
    }

    private static func retentionLine(_ status: VaultStatus) -> String {
        let since = status.oldestEntryAt.map { " of \(Timestamp($0))" } ?? ""
        let kept = "kept from entry \(status.firstKept)\(since); "
        guard let covered = status.coveredEntries else {
            return kept + "nothing is pruned, because there is neither an anchor nor an export as tiles"
        }
        return kept + "'serve' may prune what is older than it keeps and before entry \(covered)"
    }

    private static func anchorLine(_ status: VaultStatus) -> String {
        guard let lag = status.anchorLag else {
            return "none: 'tokenvault audit anchor add' makes cuts and old copies visible"
        }
        return lag == 0
            ? "\(status.anchors), up to date" : "\(status.anchors), the last \(lag) entries behind"
    }
}
