import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// `/metrics` and `/health` on an address of their own, which the clients of the issuer need not reach.
struct AdminListener: Service {
    private let address: IssuerServer.Address
    private let page: MetricsPage
    private let health: HealthRoutes
    private let logger: Logger
    private let onReady: @Sendable (_ baseURL: String) async -> Void

    init(
        _ address: IssuerServer.Address, _ page: MetricsPage, _ health: HealthRoutes, _ logger: Logger,
        onReady: @escaping @Sendable (_ baseURL: String) async -> Void
    ) {
        self.address = address
        self.page = page
        self.health = health
        self.logger = logger
        self.onReady = onReady
    }

    func run() async throws {
        let router = Router()
        router.get("/metrics") { [page] _, _ in
            Response(
                status: .ok,
                headers: [.contentType: MetricsText.mediaType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: page.text)))
        }
        for (path, respond) in health.paths + health.adminPaths {
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
