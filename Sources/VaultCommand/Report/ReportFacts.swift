import TokenVault
import VaultCore

/// Everything a report says, read from the vault before any of it is written.
struct ReportFacts: Sendable {
    /// Clients listed; there may be thousands.
    static let listedClients = 200

    let madeAt: VaultInstant
    let path: String
    let status: VaultStatus
    let digest: AuditDigest
    let verdict: AuditReport
    let verifierKey: String
    let clients: [Client]
    /// Of the request; nil: the beginning, the end.
    let from, to: VaultInstant?

    /// - Parameter progress: called now and then with the share done, 0 to 1.
    init(
        _ vault: Vault, path: String, from: VaultInstant?, to: VaultInstant?,
        progress: @escaping @Sendable (Double) -> Void
    ) async throws {
        self.path = path
        self.from = from
        self.to = to
        madeAt = SystemClock().now()
        digest = try await vault.auditDigest(from: from, to: to) { progress($0 * 0.4) }
        verdict = try await vault.verifyAudit { progress(0.4 + $0 * 0.6) }
        status = try vault.status()
        clients = try vault.clients()
        verifierKey = vault.logVerifierKey
    }
}
