import MerkleLog
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultStore

/// The head of the log, the clock that dates its entries, and what is kept of it elsewhere: anchors and backups.
extension DatabaseExamination {
    /// Clocks of one machine that drift further apart than this were set.
    private static let clockTolerance: Int64 = 5000

    /// Whether head and newest entry fit; the rest of the log is for `audit verify`.
    func logChecks() throws -> [DoctorCheck] {
        let head = try LogHead.read(database)
        guard try head.isTimed(database) else {
            return [
                .error(
                    "log.head", .integrity,
                    "The newest entry of the log is missing, or its time differs from the head's.",
                    "Verify the audit log, then restore a backup.")
            ]
        }
        return [.ok("log.head", "\(head.size) entries; the root matches the right edge.")]
            + (try database.freshness(nil)).map { .failed("vault.stamp", $0) } + [
                try retentionCheck(head.size)
            ]
    }

    /// Whether what a service would prune by default is covered, so that it may.
    private func retentionCheck(_ size: Int64) throws -> DoctorCheck {
        let id = "log.retention"
        let log = StoredLog(database)
        let first = try log.firstKept(size)
        let age = try log.entry(first).map { self.age($0.wall.millisecondsSince1970) } ?? 0
        let what = "The log is kept from entry \(first) on, which is \(DoctorText.span(max(0, age))) old"
        // A service looks once an hour.
        let limit = (LogRetention.standard.age ?? .zero).milliseconds + 86_400_000
        guard age > limit, try (database.coveredEntries(nil) ?? 0) < first + Int64(Limits.tileWidth) else {
            return .ok(id, what + ".")
        }
        return .advice(
            id, what + ", and nothing is pruned: an anchor, an export or a webhook lags.",
            "Add an anchor, or export the log as tiles."
        )
    }

    /// The machine's clock against the newest entry, and against the monotonic clock since it.
    func clockCheck() throws -> DoctorCheck {
        let id = "clock.wall"
        let head = try LogHead.read(database)
        let behind = head.lastTime.millisecondsSince1970 - now.millisecondsSince1970
        guard behind < Self.clockTolerance else {
            return .warning(
                id, "The clock is \(DoctorText.span(behind)) behind the time of the log.",
                "If the clock is wrong, correct it. If it is right, it was ahead once: set the log's time."
            )
        }
        guard let entry = try StoredLog(database).entry(head.size - 1),
            let passed = monotonic.milliseconds(
                since: ClockReading(clock: entry.boot, milliseconds: entry.monotonic))
        else {
            return .ok(id, "Ahead of the newest entry, which another boot wrote.")
        }
        let deviation = -behind - passed
        guard abs(deviation) < Self.clockTolerance else {
            let direction = deviation > 0 ? "forward" : "back"
            return .warning(
                id,
                "The clock was set \(direction) by \(DoctorText.span(deviation)) since the newest entry.",
                "Check that time synchronisation runs (timedatectl); lifetimes follow this clock.")
        }
        return .ok(id, "It agrees with the monotonic clock since the newest entry.")
    }

    func backupChecks() throws -> [DoctorCheck] {
        let id = "backups.age"
        let day: Int64 = 86_400_000
        guard try has("backups") else { return [] }
        // The entry that a backup's row names comes after those in it, once the backup has ended.
        let unfinished = try check(count("SELECT count(*) FROM backups WHERE leaf < log_size"), "backup") {
            .advice(
                "backups.unfinished",
                "\($0) began, and the log has no end of it: it was interrupted, or this vault was restored from it.",
                "Inspect the backup if its file exists. Erasures count it as kept.")
        }
        guard let newest = try database.integer("SELECT max(created_at) FROM backups WHERE leaf >= log_size")
        else {
            return unfinished + [
                .advice(
                    id, "No backup was made.",
                    "Make a backup, best from a timer.")
            ]
        }
        let age = age(newest)
        let over = try count("SELECT count(*) FROM backups WHERE keep_until < ?", [SQLValue(now)])
        let what = "The newest backup is \(DoctorText.span(age)) old."
        return unfinished + [
            age < 7 * day
                ? .ok(id, what) : .warning(id, what, "Make a backup, best from a timer.")
        ]
            + check(over, "backup") {
                .advice(
                    "backups.retention", "\($0) should be destroyed by now.",
                    "Destroy them: they can still open data of users erased since.")
            }
    }

    func anchorChecks() throws -> [DoctorCheck] {
        let id = "anchors.progress"
        guard try has("anchors"), try count("SELECT count(*) FROM anchors") > 0 else {
            return [
                .advice(
                    id,
                    "No anchor is configured: an older or cut file could not be told from the newest one.",
                    "Add an anchor.")
            ]
        }
        let size = try LogHead.read(database).size
        var checks: [DoctorCheck] = []
        try database.forEachRow(
            """
            SELECT a.id, a.kind, coalesce(p.size, 0), coalesce(p.anchored_at, a.created_at), coalesce(p.failures, 0),
              coalesce(p.trouble, ''), a.target FROM anchors a LEFT JOIN anchor_progress p ON p.id = a.id ORDER BY a.id LIMIT 64
            """
        ) { row in
            guard case .text(let kind) = row.value(1), case .text(let trouble) = row.value(5) else {
                return true
            }
            let name = "Anchor \(row.integer(0)) (\(kind))"
            let lag = size - row.integer(2)
            let age = age(row.integer(3))
            if row.integer(4) > 0 {
                let why = trouble.isEmpty ? "" : ": \(trouble)"
                checks.append(
                    .warning(
                        id,
                        "\(name) failed \(DoctorText.count(row.integer(4), "time"))\(why); it is \(lag) entries behind.",
                        "Check the anchors."))
            } else if lag > 0, age > 60_000 {
                checks.append(
                    .warning(
                        id,
                        "\(name) is \(lag) entries behind; its last checkpoint is \(DoctorText.span(age)) old.",
                        "Only a serving process publishes by itself. Check the anchors to publish now."
                    ))
            } else {
                checks.append(.ok(id, "\(name) has the log up to \(lag) entries."))
            }
            if kind == AnchorKind.file.rawValue, case .text(let path) = row.value(6) {
                checks += file(path, name, size)
            }
            return true
        }
        return checks
    }

    /// What lies at the path of a file anchor; that it is the log's is checked whenever the vault is opened.
    private func file(_ path: String, _ name: String, _ size: Int64) -> [DoctorCheck] {
        let id = "anchors.file"
        switch AnchorReading(path) {
        case .missing:
            return [
                .warning(
                    id, "The file of \(name) is missing.", "Check the anchors, which writes the file again.")
            ]
        case .unreadable(let why):
            return [
                .warning(
                    id, "The file of \(name) is unusable. \(why)", "Move it away, then check the anchors.")
            ]
        case .note(_, let told) where told.size > UInt64(size):
            return [
                .error(
                    id, .integrity, "\(name) has a checkpoint of \(told.size) entries; the log has \(size).",
                    "The vault is an older copy: put the newest file back.")
            ]
        case .note: return []
        }
    }
}
