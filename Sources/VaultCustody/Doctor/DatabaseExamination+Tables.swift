import VaultCore
import VaultStore

/// What the tables say: secrets of clients that end, unfinished work, leases that were not given back, replies that
/// were not read, stopped providers, webhooks that lag.
extension DatabaseExamination {
    /// Two weeks: time to hand a client its new secret.
    private static let secretNotice: Int64 = 14 * 86_400_000

    func clientChecks() throws -> [DoctorCheck] {
        let expired = try clients(withoutSecretAt: now.millisecondsSince1970)
        let soon = try clients(withoutSecretAt: now.millisecondsSince1970 + Self.secretNotice) - expired
        let checks =
            check(expired, "client") {
                .warning(
                    "clients.expired", "\($0) has no secret that is still valid.",
                    "List the clients, and make a new client secret.")
            }
            + check(soon, "client") {
                .advice(
                    "clients.expiring", "The last secret of \($0) ends within 14 days.",
                    "Make a new client secret, and hand it over.")
            }
        return checks.isEmpty
            ? [.ok("clients.secrets", "Every client has a secret that is valid for 14 days or more.")]
            : checks
    }

    /// Active clients that have secrets, none of which is valid at `time`.
    private func clients(withoutSecretAt time: Int64) throws -> Int64 {
        try count(
            """
            SELECT count(*) FROM (
              SELECT s.client_id FROM client_secrets s JOIN owners o ON o.id = s.client_id
              WHERE o.state = 1 GROUP BY s.client_id HAVING max(coalesce(s.not_after, \(Int64.max))) <= ?) AS c
            """, [.integer(time)])
    }

    func jobCheck() throws -> DoctorCheck {
        let id = "jobs.unfinished"
        let kinds = try database.rows(
            """
            SELECT kind || ' (' || state || ')' FROM jobs WHERE state NOT IN ('done', 'ended', 'finished')
            ORDER BY id LIMIT 16
            """
        ) { $0.text(0) }
        guard !kinds.isEmpty else { return .ok(id, "No long work is unfinished.") }
        return .advice(
            id, "Unfinished: \(kinds.joined(separator: ", ")).",
            "If no process works on it now, run the command that began it again: it goes on where it stopped."
        )
    }

    // MARK: Tokens of others

    /// A refresh that is this late means that no service refreshes ahead.
    private static let overdue: Int64 = 10 * 60_000
    /// Webhooks get events within seconds; one this many entries behind does not.
    private static let webhookLag: Int64 = 10_000

    func connectionChecks() throws -> [DoctorCheck] {
        let overdue = now.millisecondsSince1970 - Self.overdue
        let over = try count(
            """
            SELECT count(*) FROM connections
            WHERE lease_holder IS NOT NULL AND attempt_at IS NOT NULL AND (lease_clock <> ? OR lease_until < ?)
            """, [.text(monotonic.clock), .integer(monotonic.milliseconds)])
        let leases = DoctorCheck.ok("connections.leases", "No lease on a connection is past its deadline.")
        return check(over, "refresh", else: leases) {
            .warning(
                "connections.leases", "\($0) was begun and never settled: its process died.",
                "Refresh the connections, or list the connections.")
        }
            + check(try connections("reply IS NOT NULL"), "provider's reply") {
                .warning(
                    "connections.replies", "\($0) could not be read and is kept.",
                    "Correct the entry or use a newer version, then read the reply again.")
            }
            + check(try connections("state = 2"), "connection") {
                .advice(
                    "connections.consent", "\($0) needs its user's consent again.",
                    "List the connections, and connect the user again.")
            }
            + check(try connections("state = 5"), "connection") {
                .warning(
                    "connections.failing", "The provider has refused for hours to refresh \($0).",
                    "List the failing connections, and show the connection for the provider's words."
                )
            }
            + check(try connections("state IN (1, 3, 5) AND due_at < \(overdue)"), "connection") {
                .advice(
                    "connections.late", "\($0) should have been refreshed long ago.",
                    "Refresh the connections by a service, or run a KeeperService in your own.")
            }
    }

    private func connections(_ condition: String) throws -> Int64 {
        try count("SELECT count(*) FROM connections WHERE \(condition)")
    }

    func providerCheck() throws -> DoctorCheck {
        let id = "providers.stopped"
        let names = try database.rows("SELECT name FROM providers WHERE state = 2 ORDER BY id LIMIT 64") {
            $0.text(0)
        }
        guard !names.isEmpty else { return .ok(id, "Every provider is called.") }
        return .warning(
            id,
            "Stopped, because the provider refuses our client or the vault was restored: "
                + "\(names.joined(separator: ", ")).",
            "Show the provider for the connections that it refused. To correct its credentials, replace the provider; or resume the provider."
        )
    }

    func webhookChecks() throws -> [DoctorCheck] {
        let id = "webhooks.behind"
        let size = try count("SELECT size FROM audit_head WHERE id = 1")
        let failing = try count("SELECT count(*) FROM webhook_cursors WHERE failures > 0")
        let behind = try count(
            "SELECT count(*) FROM webhook_cursors WHERE position < ?", [.integer(size - Self.webhookLag)])
        let checks =
            check(failing, "webhook") {
                .warning(id, "\($0) refuses its events.", "List the webhooks, and test the webhook.")
            }
            + check(behind, "webhook", else: .ok(id, "No webhook is behind.")) {
                .warning(
                    id, "\($0) is more than \(Self.webhookLag) entries behind.",
                    "Refresh the connections by a service, which also posts webhooks.")
            }
        return Array(checks.prefix(1))
    }
}
