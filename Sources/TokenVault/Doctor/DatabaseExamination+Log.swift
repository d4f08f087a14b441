import MerkleLog
import VaultCore
import VaultCrypto

/// The head of the log, its newest entries, and the clock that dates them.
extension DatabaseExamination {
    /// Clocks of one machine that drift further apart than this were set.
    private static let clockTolerance: Int64 = 5000

    func logChecks() throws -> [DoctorCheck] {
        let head = try LogHead.read(database)
        return [.ok("log.head", "\(head.size) entries; the root is that of its right edge."), try tail(head)]
    }

    /// The newest entries: each has its hash, and together they are the end of the tree that the head speaks of.
    private func tail(_ head: LogHead) throws -> DoctorCheck {
        let id = "log.tail"
        let width = Int64(Limits.tileWidth)
        let first = max(0, head.size - VaultDoctor.tailLeaves) / width * width
        var next = first
        var time = Int64.min
        var edge = RightEdge()
        var trouble: String?
        try database.forEachRow(
            "SELECT id, bytes, hash FROM audit_leaves WHERE id >= ? ORDER BY id", [.integer(first)]
        ) { row in
            guard case .blob(let bytes) = row.value(1), case .blob(let stored) = row.value(2),
                row.integer(0) == next, let entry = AuditLeaf.decode(bytes), entry.index == next,
                entry.time.millisecondsSince1970 >= time
            else {
                trouble = "Entry \(next) of the log is missing, or is not what was written."
                return false
            }
            let hash = MerkleHash.leaf(bytes)
            guard hash.bytes == stored else {
                trouble = "Entry \(next) of the log does not have the hash stored with it."
                return false
            }
            time = entry.time.millisecondsSince1970
            next += 1
            guard let tile = edge.append(hash) else { return true }
            edge = RightEdge()
            let known = try database.firstRow(
                "SELECT hash FROM audit_tiles WHERE id = ?", [.integer(next / width - 1)]
            ) { $0.value(0) }
            guard known != .blob(tile.bytes) else { return true }
            trouble = "Tile \(next / width - 1) of the log is not the hash of its entries."
            return false
        }
        if trouble == nil, next != head.size {
            trouble = "The head speaks of \(head.size) entries; there are \(next)."
        }
        if trouble == nil, head.edge.hashes.suffix(edge.hashes.count) != edge.hashes[...] {
            trouble = "The newest entries are not those the head was made over."
        }
        if trouble == nil, head.size > 0, time != head.lastTime.millisecondsSince1970 {
            trouble = "The head has another time than the newest entry."
        }
        if let trouble {
            return .error(id, .integrity, trouble, "Run 'tokenvault audit verify', then restore a backup.")
        }
        return .ok(id, "The newest \(next - first) entries are what the head was made over.")
    }

    /// The machine's clock against the newest entry, and against the monotonic clock since it.
    func clockChecks() throws -> [DoctorCheck] {
        let id = "clock.wall"
        let head = try LogHead.read(database)
        let behind = head.lastTime.millisecondsSince1970 - now.millisecondsSince1970
        guard behind < Self.clockTolerance else {
            return [
                .warning(
                    id, "The clock is \(DoctorText.span(behind)) behind the newest entry of the log.",
                    "Set the clock; until then lifetimes stand still and expired grants are not deleted.")
            ]
        }
        let bytes = try database.firstRow(
            "SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(head.size - 1)]
        ) { $0.value(0) }
        guard case .blob(let leaf)? = bytes, let entry = AuditLeaf.decode(leaf), entry.boot == BootID.current
        else {
            return [.ok(id, "Ahead of the newest entry, which another boot wrote.")]
        }
        let deviation = -behind - (monotonic - entry.monotonic)
        guard abs(deviation) < Self.clockTolerance else {
            let direction = deviation > 0 ? "forward" : "back"
            return [
                .warning(
                    id,
                    "The clock was set \(direction) by \(DoctorText.span(deviation)) since the newest entry.",
                    "See that time synchronisation runs (timedatectl); lifetimes follow this clock.")
            ]
        }
        return [.ok(id, "It went as the monotonic clock since the newest entry.")]
    }

    func backupChecks() throws -> [DoctorCheck] {
        let id = "backups.age"
        let day: Int64 = 86_400_000
        guard try has("backups"), let newest = try optional("SELECT max(created_at) FROM backups") else {
            return [
                .advice(
                    id, "No backup was made with tokenvault.",
                    "Run 'tokenvault backup create', best by a timer.")
            ]
        }
        let age = age(newest)
        let over = try count("SELECT count(*) FROM backups WHERE keep_until < ?", [SQLValue(now)])
        var checks = [
            age < 7 * day
                ? DoctorCheck.ok(id, "The newest backup is \(DoctorText.span(age)) old.")
                : .warning(
                    id, "The newest backup is \(DoctorText.span(age)) old.",
                    "Run 'tokenvault backup create', best by a timer.")
        ]
        if over > 0 {
            checks.append(
                .advice(
                    "backups.retention",
                    "\(DoctorText.count(over, "backup")) should have been destroyed by now.",
                    "Destroy them: users erased since can still be read from them."))
        }
        return checks
    }
}
