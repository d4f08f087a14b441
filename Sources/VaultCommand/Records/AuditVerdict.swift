import TokenVault

/// What `audit verify` found: `{"ok":true,"root":"…","rows":N,"size":N}`, with `first_kept` where the log was pruned and
/// `since` where it was not checked from its beginning; where not ok, what is wrong, what is affected, what is not.
struct AuditVerdict: Record {
    let ok: Bool
    /// Absent when the vault could not even be opened.
    var size: Int64?
    var root: String?
    var rows: Int?
    var firstKept: Int64?
    var since: Int64?
    var notes: [String]?
    var findings: [Finding]?
    /// How many there are beyond those listed.
    var furtherFindings: Int?
    var firstBadEntry: Int64?
    /// Numbers of grants.
    var affectedGrants: [Int64]?
    var furtherAffectedGrants: Int?
    /// The entries before it are the ones that were signed.
    var provenSize: Int64?
    var untouchedRows: Int?
    var grants: Int?
    var untouchedGrants: Int?

    /// What is not as it was written, and where.
    struct Finding: Encodable, Sendable {
        let place: String
        let problem: String
    }

    init(_ report: AuditReport) {
        ok = report.isIntact
        size = report.size
        root = report.root
        rows = report.rows
        firstKept = report.firstKept > 0 ? report.firstKept : nil
        since = report.since > 0 ? report.since : nil
        notes = report.notes.isEmpty ? nil : report.notes
        guard !ok else { return }
        findings = report.findings.map { Finding(place: $0.place, problem: $0.problem) }
        furtherFindings = report.furtherFindings
        firstBadEntry = report.firstBadEntry
        affectedGrants = report.affectedGrants
        furtherAffectedGrants = report.furtherAffectedGrants > 0 ? report.furtherAffectedGrants : nil
        provenSize = report.provenSize
        untouchedRows = report.untouchedRows
        grants = report.grants
        untouchedGrants = report.untouchedGrants
    }

    /// The vault is so damaged that it does not open.
    init(unopened problem: String) {
        ok = false
        findings = [Finding(place: "vault", problem: problem)]
    }

    var lines: [String] {
        guard !ok else {
            var pairs = [("log", "intact"), ("entries", "\(size ?? 0)"), ("root", root ?? "-")]
            if let since { pairs.append(("checked_from", "\(since)")) }
            if let firstKept { pairs.append(("first_kept", "\(firstKept)")) }
            return Table.pairs(pairs) + (notes ?? [])
        }
        var lines = ["The log or the database is NOT what was written:"]
        lines += (findings ?? []).map { "  \(Console.harmless($0.place)): \(Console.harmless($0.problem))" }
        if let furtherFindings, furtherFindings > 0 { lines.append("  and \(furtherFindings) more") }
        return lines + trust
    }

    /// What is affected, and what is not.
    private var trust: [String] {
        guard let provenSize, let rows, let untouchedRows, let grants, let untouchedGrants else { return [] }
        var lines: [String] = []
        if let firstBadEntry { lines.append("First bad entry: \(firstBadEntry)") }
        let affected = (affectedGrants ?? []).map(String.init).joined(separator: ", ")
        if !affected.isEmpty {
            let further = furtherAffectedGrants.map { " and \($0) more" } ?? ""
            lines.append("Affected grants: \(affected)\(further)")
        }
        lines.append("Can still be trusted:")
        lines.append(
            provenSize > firstKept ?? 0
                ? "  entries \(firstKept ?? 0) to \(provenSize - 1), which are as they were signed"
                : "  no entry: nothing that is there leads up to a signed root")
        lines.append(
            "  \(untouchedRows) of \(rows) rows, \(untouchedGrants) of \(grants) grants: they are what proven entries say"
        )
        return lines
    }
}
