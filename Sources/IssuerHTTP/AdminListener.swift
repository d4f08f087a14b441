import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import TokenIssuer
import TokenVault
import VaultCore

/// `/metrics` and `/health` on an address of their own, which the clients of the issuer need not reach.
struct AdminListener: Service {
    let address: IssuerServer.Address
    let page: MetricsPage
    let health: HealthRoutes
    let logger: Logger
    let onReady: @Sendable (_ baseURL: String) async -> Void

    func run() async throws {
        let router = Router()
        router.get("/metrics") { [page] _, _ in
            Response(
                status: .ok,
                headers: [.contentType: MetricsText.mediaType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: page.text)))
        }
        for (path, respond) in health.paths + [("/health", health.ready)] {
            router.get(RouterPath(path)) { request, _ in await respond(request) }
        }
        let application = Application(
            router: router,
            server: .http1(configuration: HTTP1Channel.Configuration(idleTimeout: .seconds(60))),
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port),
                availableConnectionsDelegate: .maximum(Self.maximumConnections, logger: logger)),
            onServerRunning: { [address, onReady] channel in
                await onReady(address.url(scheme: "http", port: channel.localAddress?.port ?? address.port))
            },
            logger: logger)
        do { try await application.run() } catch {
            throw address.bindingFailure(error, option: "--admin-listen") ?? error
        }
    }

    /// A few scrapers and probes; whoever opens more holds descriptors that the issuer needs.
    static let maximumConnections = 32
}

/// Whether the process answers (`/health/live`), and whether a write reached the disk just now and the rows are what the
/// log says (`/health/ready`).
struct HealthRoutes: Sendable {
    private let readiness: Readiness

    init(_ issuer: TokenIssuer) { readiness = Readiness(issuer.vault) }

    var paths: [(path: String, respond: @Sendable (Request) async -> Response)] {
        [("/health/live", { Response(json: Self.isOK, to: $0) }), ("/health/ready", ready)]
    }

    /// Also at `/health` of the operators' address, for probes that know one address only.
    @Sendable func ready(_ request: Request) async -> Response {
        do {
            try await readiness.prove()
            return Response(json: Self.isOK, to: request)
        } catch { return Response(error, to: request) }
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
