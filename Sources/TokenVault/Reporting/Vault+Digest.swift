import GRDB
public import VaultCore

extension Vault {
    /// Reads the log of a period once and says what was in it. One snapshot on a connection of its own;
    /// memory does not grow with the log.
    ///
    /// - Parameters:
    ///   - from: the first moment that counts; nil: the beginning.
    ///   - to: the first moment that counts no more; nil: the end.
    ///   - progress: called now and then with the share done, 0 to 1.
    /// - Throws: ``VaultError/Code/integrity`` when an entry cannot be read.
    public func auditDigest(
        from: VaultInstant? = nil, to: VaultInstant? = nil,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> AuditDigest {
        try await BlockingThread.result { [store] in
            try store.withOwnReader { database in
                var digest = DigestReader(database, size: try LogHead.read(database).size)
                return try digest.read(from: from, to: to, progress)
            }
        }
    }
}

/// Fills an ``AuditDigest`` in one pass.
private struct DigestReader {
    let database: Database
    let size: Int64
    private var digest = AuditDigest()
    private var totals: [[String]: Int64] = [:]

    init(_ database: Database, size: Int64) {
        self.database = database
        self.size = size
    }

    mutating func read(from: VaultInstant?, to: VaultInstant?, _ progress: (Double) -> Void) throws
        -> AuditDigest
    {
        let first = try from.map(firstEntry(notBefore:)) ?? 0
        let end = try to.map(firstEntry(notBefore:)) ?? size
        guard first < end else { return digest }
        let span = (from: try time(of: first), to: try time(of: end - 1))
        digest.firstEntry = first
        digest.span = span
        lay(out: span)
        let start = digest.timeline.first?.from.millisecondsSince1970 ?? 0
        let width = digest.columnWidth.milliseconds
        try database.forEachRow(
            "SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(first), .integer(end)]
        ) { row in
            let entry = try Self.entry(row.value(1), row.integer(0))
            let column = Int((entry.time.millisecondsSince1970 - start) / width)
            count(entry, in: max(0, min(column, digest.timeline.count - 1)))
            if entry.index.isMultiple(of: 4096) {
                progress(Double(entry.index - first) / Double(end - first))
            }
            return true
        }
        digest.alarms.trim()
        digest.keyEvents.trim()
        digest.totals = totals.map { AuditDigest.Total(operation: $0[0], outcome: $0[1], count: $1) }
            .sorted { ($0.operation, $0.outcome) < ($1.operation, $1.outcome) }
        return digest
    }

    private mutating func count(_ entry: AuditEntry, in column: Int) {
        digest.entries += 1
        totals[[entry.operation, entry.outcome], default: 0] += 1
        if entry.isAlarm { digest.alarms.add(entry) }
        if entry.isKeyEvent { digest.keyEvents.add(entry) }
        guard entry.isExchange else { return }
        switch AuditOutcome(rawValue: entry.outcome) {
        case .succeeded: digest.timeline[column].answered += 1
        case .replayed: digest.timeline[column].replayed += 1
        case .revoked: digest.timeline[column].revoked += 1
        case .refused, nil: digest.timeline[column].refused += entry.count ?? 1
        }
    }

    /// Columns of the narrowest round width of which few enough cover the span.
    private mutating func lay(out span: (from: VaultInstant, to: VaultInstant)) {
        let minute: Int64 = 60
        let seconds: [Int64] =
            [1, 5, 15]
            + [1, 5, 15, 60, 180, 360, 720, 1440, 7 * 1440, 30 * 1440, 365 * 1440].map { $0 * minute }
        let (from, to) = (span.from.millisecondsSince1970, span.to.millisecondsSince1970)
        var width: Int64 = 1000
        for second in seconds {
            width = second * 1000
            if to / width - from / width < AuditDigest.columns { break }
        }
        // A clock that was wrong by centuries makes no endless chart.
        let columns = min(to / width - from / width + 1, AuditDigest.columns)
        digest.columnWidth = .milliseconds(width)
        digest.timeline = (0..<columns).map {
            AuditDigest.Column(from: VaultInstant(millisecondsSince1970: (from / width + $0) * width))
        }
    }

    /// Times never run backwards, so half of the rest is ruled out at each step.
    private func firstEntry(notBefore instant: VaultInstant) throws -> Int64 {
        var low: Int64 = 0
        var high = size
        while low < high {
            let middle = low + (high - low) / 2
            if try time(of: middle) < instant { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func time(of index: Int64) throws -> VaultInstant {
        let bytes = try database.firstRow("SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(index)]) {
            $0.value(0)
        }
        return try Self.entry(bytes, index).time
    }

    private static func entry(_ value: SQLValue?, _ index: Int64) throws -> AuditEntry {
        guard case .blob(let bytes)? = value, let entry = AuditLeaf.decode(bytes) else {
            throw VaultError(
                .integrity, "Entry \(index) of the log cannot be read.",
                remedy: "Run 'tokenvault audit verify'.")
        }
        return entry
    }
}
