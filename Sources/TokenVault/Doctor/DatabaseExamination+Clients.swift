import VaultCore

/// Secrets of clients that ended or soon will, and work that was left.
extension DatabaseExamination {
    /// Two weeks: time to hand a client its new secret.
    private static let secretNotice: Int64 = 14 * 86_400_000

    func clientChecks() throws -> [DoctorCheck] {
        let expired = try clients(withoutSecretAt: now.millisecondsSince1970)
        let soon = try clients(withoutSecretAt: now.millisecondsSince1970 + Self.secretNotice) - expired
        var checks: [DoctorCheck] = []
        if expired > 0 {
            checks.append(
                .warning(
                    "clients.expired",
                    "\(DoctorText.count(expired, "client")) has no secret that is still valid.",
                    "See 'tokenvault client list'; 'tokenvault client rotate-secret' makes a new one."))
        }
        if soon > 0 {
            checks.append(
                .advice(
                    "clients.expiring",
                    "The last secret of \(DoctorText.count(soon, "client")) ends within 14 days.",
                    "Run 'tokenvault client rotate-secret' and hand the new one over."))
        }
        return checks.isEmpty
            ? [.ok("clients.secrets", "No client is without a valid secret, or soon will be.")] : checks
    }

    /// Active clients that have secrets, none of which is valid at `time`.
    private func clients(withoutSecretAt time: Int64) throws -> Int64 {
        try count(
            """
            SELECT count(*) FROM (
              SELECT s.client_id FROM client_secrets s JOIN owners o ON o.id = s.client_id
              WHERE o.state = 1 GROUP BY s.client_id HAVING max(coalesce(s.not_after, \(Int64.max))) <= ?)
            """, [.integer(time)])
    }

    func jobChecks() throws -> [DoctorCheck] {
        let id = "jobs.unfinished"
        var kinds: [String] = []
        try database.forEachRow(
            "SELECT kind, state FROM jobs WHERE state NOT IN ('done', 'ended', 'finished') ORDER BY id LIMIT 16"
        ) { row in
            if case .text(let kind) = row.value(0), case .text(let state) = row.value(1) {
                kinds.append("\(kind) (\(state))")
            }
            return true
        }
        guard !kinds.isEmpty else { return [.ok(id, "No long work is unfinished.")] }
        return [
            .advice(
                id, "Unfinished: \(kinds.joined(separator: ", ")).",
                "If nobody works on it now, run the command that began it again: it goes on where it stopped."
            )
        ]
    }
}
