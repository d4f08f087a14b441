import VaultCore

/// Tokens of others: leases that nobody gave back, replies that nobody read, providers that are not called, webhooks
/// that were not told.
extension DatabaseExamination {
    /// A refresh that is this late means that nobody refreshes ahead.
    private static let overdue: Int64 = 10 * 60_000
    /// Webhooks are told within seconds; so many entries behind, somebody is not.
    private static let webhookLag: Int64 = 10_000

    func connectionChecks() throws -> [DoctorCheck] {
        [try leases(), try replies(), try consents(), try failing(), try late()].compactMap { $0 }
    }

    private func leases() throws -> DoctorCheck {
        let id = "connections.leases"
        let over = try count(
            """
            SELECT count(*) FROM connections
            WHERE lease_holder IS NOT NULL AND attempt_at IS NOT NULL AND (lease_boot <> ? OR lease_until < ?)
            """, [.text(BootID.current), .integer(monotonic)])
        guard over > 0 else { return .ok(id, "No lease on a connection is past its deadline.") }
        return .warning(
            id, "\(DoctorText.count(over, "refresh")) was begun and never settled: whoever did it died.",
            "Run 'tokenvault refresh run', or see 'tokenvault connection list'.")
    }

    private func replies() throws -> DoctorCheck? {
        let kept = try count("SELECT count(*) FROM connections WHERE reply IS NOT NULL")
        guard kept > 0 else { return nil }
        return .warning(
            "connections.replies",
            "\(DoctorText.count(kept, "provider's reply")) could not be read and is kept.",
            "Run 'tokenvault connection replay-reply' with a corrected entry or a newer version.")
    }

    private func consents() throws -> DoctorCheck? {
        let needing = try count("SELECT count(*) FROM connections WHERE state = 2")
        guard needing > 0 else { return nil }
        return .advice(
            "connections.consent",
            "\(DoctorText.count(needing, "connection")) needs its user's consent again.",
            "See 'tokenvault connection list'; 'tokenvault connection connect' asks the user.")
    }

    private func failing() throws -> DoctorCheck? {
        let failing = try count("SELECT count(*) FROM connections WHERE state = 5")
        guard failing > 0 else { return nil }
        return .warning(
            "connections.failing",
            "The provider has refused for hours to refresh \(DoctorText.count(failing, "connection")).",
            "See 'tokenvault connection list --failing'; 'tokenvault connection show' has the provider's words."
        )
    }

    private func late() throws -> DoctorCheck? {
        let late = try count(
            "SELECT count(*) FROM connections WHERE state IN (1, 3, 5) AND due_at < ?",
            [.integer(now.millisecondsSince1970 - Self.overdue)])
        guard late > 0 else { return nil }
        return .advice(
            "connections.late",
            "\(DoctorText.count(late, "connection")) should have been looked at long ago.",
            "Run 'tokenvault refresh run' as a service, or let your service refresh ahead.")
    }

    func providerChecks() throws -> [DoctorCheck] {
        let id = "providers.stopped"
        var names: [String] = []
        try database.forEachRow("SELECT name FROM providers WHERE state = 2 ORDER BY id LIMIT 64") { row in
            if case .text(let name) = row.value(0) { names.append(name) }
            return true
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
