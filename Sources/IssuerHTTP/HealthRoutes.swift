import Hummingbird
import TokenIssuer
import TokenVault
import VaultCore

/// Whether the process answers (`/health/live`), and whether a write reached the disk just now and the rows are what the
/// log says (`/health/ready`).
struct HealthRoutes: Sendable {
    private let readiness: Readiness

    init(_ issuer: TokenIssuer) { readiness = Readiness(issuer.vault) }

    var paths: [(path: String, respond: @Sendable (Request) async -> Response)] {
        [
            ("/health/live", { request in Response(json: Self.isOK, to: request) }),
            (
                "/health/ready",
                { [readiness] request in
                    do throws(OAuthError) {
                        try await readiness.prove()
                        return Response(json: Self.isOK, to: request)
                    } catch {
                        return Response(error, to: request)
                    }
                }
            ),
        ]
    }

    /// Besides, for probes that know one address only.
    var adminPaths: [(path: String, respond: @Sendable (Request) async -> Response)] {
        paths.filter { $0.path == "/health/ready" }.map { ("/health", $0.respond) }
    }

    private static let isOK = Array(#"{"status":"ok"}"#.utf8)
}

/// Proves the write path by the heartbeat, at most once a second however many ask.
private actor Readiness {
    private let vault: Vault
    private var underWay: Task<Void, any Error>?
    private var provenAt: Duration?

    init(_ vault: Vault) { self.vault = vault }

    func prove() async throws(OAuthError) {
        guard !vault.isDamaged else {
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "The vault is damaged; the log says where.",
                retryAfter: 60)
        }
        if let provenAt, vault.clock.monotonic() - provenAt < .seconds(1), vault.acceptsNewWork { return }
        // Whoever asks meanwhile waits for the same proof.
        let proof = underWay ?? Task { [vault] in try await vault.proveWritePath() }
        underWay = proof
        defer { underWay = nil }
        do {
            try await proof.value
            provenAt = vault.clock.monotonic()
        } catch {
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "The vault takes no writes now.", retryAfter: 5)
        }
    }
}
