import MerkleLog
import VaultCore

/// How far the places outside the vault were told.
extension DatabaseExamination {
    func anchorChecks() throws -> [DoctorCheck] {
        let id = "anchors.progress"
        guard try has("anchors"), try count("SELECT count(*) FROM anchors") > 0 else {
            return [
                .advice(
                    id, "No anchor is configured: a cut or older file could not be told from the true one.",
                    "Add one with 'tokenvault audit anchor add'.")
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
                        "Run 'tokenvault audit anchor check'."))
            } else if lag > 0, age > 60_000 {
                checks.append(
                    .warning(
                        id, "\(name) is \(lag) entries behind; it was told last \(DoctorText.span(age)) ago.",
                        "Only a serving process tells anchors by itself; run 'tokenvault audit anchor check'."
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
                    id, "The file of \(name) is missing.",
                    "Run 'tokenvault audit anchor check': it writes the file anew.")
            ]
        case .unreadable(let why):
            return [
                .warning(
                    id, "The file of \(name) tells nothing. \(why)",
                    "Move it away, then run 'tokenvault audit anchor check'.")
            ]
        case .note(_, let told) where told.size > UInt64(size):
            return [
                .error(
                    id, .integrity, "\(name) was told of \(told.size) entries; the log has \(size).",
                    "An older copy is in place of the newest: put the newest file back.")
            ]
        case .note: return []
        }
    }
}
