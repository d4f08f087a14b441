import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// A host that issues tokens to clients of its own, in process.
struct Stage: Sendable {
    static let redirectURI = "https://app.example/callback"
    let clock: SettableClock
    let vault: Vault
    let issuer: TokenIssuer
    let client: Client
    let secret: SecretBytes

    /// What a client presents that has nothing but its secret.
    var credentials: ClientCredentials { .secret(secret, clientID: client.clientID) }

    init(_ change: (inout ClientRegistration) -> Void = { _ in }) async throws {
        let clock = SettableClock()
        let vault = try await Vault.temporary(clock: clock)
        try await self.init(vault: vault, issuer: TokenIssuer(vault: vault), clock, change)
    }

    init(
        vault: Vault, issuer: TokenIssuer, _ clock: SettableClock = SettableClock(),
        _ change: (inout ClientRegistration) -> Void = { _ in }
    ) async throws {
        (self.vault, self.issuer, self.clock) = (vault, issuer, clock)
        (client, secret) = try await Self.addClient("app", to: vault, change)
        _ = try await vault.users.add("alice")
    }

    static func addClient(
        _ name: String, to vault: Vault, _ change: (inout ClientRegistration) -> Void = { _ in }
    ) async throws -> (client: Client, secret: SecretBytes) {
        var registration = ClientRegistration(name: name)
        registration.redirectURIs = [redirectURI]
        registration.scope = try #require(ScopeSet(parsing: "basic readmeasurements"))
        registration.grantTypes = GrantType.allCases
        change(&registration)
        let new = try await vault.clients.add(registration, clientID: name)
        return (new.client, new.secret ?? SecretBytes([]))
    }

    func code(
        scope: String = "basic readmeasurements", challenge: String? = nil
    ) async throws -> SecretBytes {
        try await vault.authorize(
            Authorization(
                client: client.clientID, user: "alice", scope: try #require(ScopeSet(parsing: scope)),
                redirectURI: Self.redirectURI, codeChallenge: challenge)
        ).code
    }

    func redeemed() async throws -> TokenResponse {
        try await issuer.redeem(code(), redirectURI: Self.redirectURI, for: credentials)
    }

    func lastEntries(_ count: Int64) async throws -> [AuditEntry] {
        try await vault.log.entries(from: vault.auditSize() - count, limit: Int(count))
    }
}

/// The error of a refusal; nil where there was none.
func refusal(_ body: () async throws -> Void) async throws -> OAuthError.Code? {
    do { try await body() } catch let error as OAuthError { return error.code }
    return nil
}

func octets(_ secret: SecretBytes) -> [UInt8] { secret.withExposed { $0 } }
