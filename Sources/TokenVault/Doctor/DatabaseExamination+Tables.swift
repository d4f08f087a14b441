import VaultCore
import VaultStore

/// What the tables say: secrets of clients that end, work that was left, leases that nobody gave back, replies that
/// nobody read, providers that are not called, webhooks that were not told.
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
        let kinds = try database.rows(
            """
            SELECT kind || ' (' || state || ')' FROM jobs WHERE state NOT IN ('done', 'ended', 'finished')
            ORDER BY id LIMIT 16
            """
        ) { $0.text(0) }
        guard !kinds.isEmpty else { return [.ok(id, "No long work is unfinished.")] }
        return [
            .advice(
                id, "Unfinished: \(kinds.joined(separator: ", ")).",
                "If nobody works on it now, run the command that began it again: it goes on where it stopped."
            )
        ]
    }

    // MARK: Tokens of others

    /// A refresh that is this late means that nobody refreshes ahead.
    private static let overdue: Int64 = 10 * 60_000
    /// Webhooks are told within seconds; so many entries behind, someone is not.
    private static let webhookLag: Int64 = 10_000

    func connectionChecks() throws -> [DoctorCheck] {
        let over = try count(
            """
            SELECT count(*) FROM connections
            WHERE lease_holder IS NOT NULL AND attempt_at IS NOT NULL AND (lease_clock <> ? OR lease_until < ?)
            """, [.text(monotonic.clock), .integer(monotonic.milliseconds)])
        var checks: [DoctorCheck] = [
            over == 0
                ? .ok("connections.leases", "No lease on a connection is past its deadline.")
                : .warning(
                    "connections.leases",
                    "\(DoctorText.count(over, "refresh")) was begun and never settled: whoever did it died.",
                    "Run 'tokenvault refresh run', or see 'tokenvault connection list'.")
        ]
        let kept = try connections("reply IS NOT NULL")
        if kept > 0 {
            checks.append(
                .warning(
                    "connections.replies",
                    "\(DoctorText.count(kept, "provider's reply")) could not be read and is kept.",
                    "Run 'tokenvault connection replay-reply' with a corrected entry or a newer version."))
        }
        let needing = try connections("state = 2")
        if needing > 0 {
            checks.append(
                .advice(
                    "connections.consent",
                    "\(DoctorText.count(needing, "connection")) needs its user's consent again.",
                    "See 'tokenvault connection list'; 'tokenvault connection connect' asks the user."))
        }
        let failing = try connections("state = 5")
        if failing > 0 {
            checks.append(
                .warning(
                    "connections.failing",
                    "The provider has refused for hours to refresh \(DoctorText.count(failing, "connection")).",
                    "See 'tokenvault connection list --failing'; 'tokenvault connection show' has the provider's words."
                ))
        }
        let late = try connections(
            "state IN (1, 3, 5) AND due_at < \(now.millisecondsSince1970 - Self.overdue)")
        if late > 0 {
            checks.append(
                .advice(
                    "connections.late",
                    "\(DoctorText.count(late, "connection")) should have been looked at long ago.",
                    "Run 'tokenvault refresh run' as a service, or let your service refresh ahead."))
        }
        return checks
    }

    private func connections(_ condition: String) throws -> Int64 {
        try count("SELECT count(*) FROM connections WHERE \(condition)")
    }

    func providerChecks() throws -> [DoctorCheck] {
        let id = "providers.stopped"
        let names = try database.rows("SELECT name FROM providers WHERE state = 2 ORDER BY id LIMIT 64") {
            $0.text(0)
        }
        guard !names.isEmpty else { return [.ok(id, "Every provider is called.")] }
        return [
            .warning(
                id,
                "Stopped, because the provider refuses our client or the vault was restored: "
                    + "\(names.joined(separator: ", ")).",
                "'tokenvault provider show NAME' says which connections it refused. Put its credentials right with 'tokenvault provider add NAME --replace', or run 'tokenvault provider resume NAME'."
            )
        ]
    }

    func webhookChecks() throws -> [DoctorCheck] {
        let id = "webhooks.behind"
        let size = try count("SELECT size FROM audit_head WHERE id = 1")
        let failing = try count("SELECT count(*) FROM webhook_cursors WHERE failures > 0")
        let behind = try count(
            "SELECT count(*) FROM webhook_cursors WHERE position < ?", [.integer(size - Self.webhookLag)])
        guard failing == 0 else {
            return [
                .warning(
                    id, "\(DoctorText.count(failing, "webhook")) does not take what it is told.",
                    "See 'tokenvault webhook list', and try 'tokenvault webhook test'.")
            ]
        }
        guard behind == 0 else {
            return [
                .warning(
                    id,
                    "\(DoctorText.count(behind, "webhook")) is more than \(Self.webhookLag) entries behind.",
                    "Run 'tokenvault refresh run' as a service: it tells webhooks.")
            ]
        }
        return [.ok(id, "No webhook is behind.")]
    }
}
