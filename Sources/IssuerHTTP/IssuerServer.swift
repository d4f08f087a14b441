import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle
import TokenIssuer
public import TokenVault

/// Serves the issuer over HTTP/1.1 until graceful shutdown; requests under way are finished first.
///
/// With a certificate it speaks TLS itself, else that belongs to a proxy in front of it. Runs the vault's upkeep too.
///
/// ```swift
/// let server = IssuerServer(vault: vault, configuration: .init(port: 8080), logger: logger)
/// try await ServiceGroup(services: [server], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
public struct IssuerServer: Service {
    private let vault: Vault
    private let configuration: Configuration
    private let logger: Logger
    private let onAdminReady: @Sendable (_ baseURL: String) async -> Void
    private let onReady: @Sendable (_ baseURL: String) async -> Void

    /// - Parameters:
    ///   - onReady: called once requests are answered, with the URL that was bound.
    ///   - onAdminReady: called once metrics are answered, with the URL that was bound; always before `onReady`.
    public init(
        vault: Vault, configuration: Configuration, logger: Logger,
        onReady: @escaping @Sendable (_ baseURL: String) async -> Void = { _ in },
        onAdminReady: @escaping @Sendable (_ baseURL: String) async -> Void = { _ in }
    ) {
        self.vault = vault
        self.configuration = configuration
        self.logger = logger
        self.onAdminReady = onAdminReady
        self.onReady = onReady
    }

    /// Serves until graceful shutdown or cancellation.
    ///
    /// - Throws: `VaultError.Code.invalidInput` for a configuration that will not do, before anything is bound;
    ///   `unavailable` or `permissionDenied` for an address that cannot be listened on.
    public func run() async throws {
        try configuration.check()
        let frame = ServerFrame(configuration, logger)
        let router = frame.router
        let known = configuration.port == 0 ? nil : configuration.baseURL(port: configuration.port)
        let url = IssuerURL(configuration.issuer ?? known)
        let issuer = TokenIssuer(
            vault: vault, profile: configuration.profile, url: url, idTokens: configuration.idTokens,
            assertions: configuration.assertions, claims: configuration.claims)
        IssuerRoutes(issuer, limits: configuration.limits).mount(on: router)
        let signIn = SignInPages(issuer, limits: configuration.limits)
        signIn.mount(on: router)
        AuthorizeRoutes(issuer, users: signIn, limits: configuration.limits).mount(on: router)
        var application = frame.application { [configuration, onReady] channel in
            let bound = configuration.baseURL(port: channel.localAddress?.port ?? configuration.port)
            // Clients learn a port that was chosen for us from `onReady`: nobody can have asked before.
            url.become(bound)
            await onReady(bound)
        }
        // Before the first request, or a retry after an outage would be judged as if we had served all along.
        application.beforeServerStarts { [vault] in try await vault.beginServing() }
        application.addServices(VaultMaintenance(vault))
        if let address = configuration.admin { addAdmin(address, issuer, frame.metrics, to: &application) }
        do { try await frame.run(application) } catch {
            let address = Address(host: configuration.host, port: configuration.port)
            throw address.bindingFailure(error, option: "--listen") ?? error
        }
    }

    /// Serves metrics before the first request, and until the last one is answered.
    private func addAdmin<Responder>(
        _ address: Address, _ issuer: TokenIssuer, _ metrics: RequestMetrics,
        to application: inout Application<Responder>
    ) {
        if !address.isLoopback {
            logger.warning(
                "Metrics can be read from other machines: whoever reaches them sees how much is done here.",
                metadata: ["admin": "\(address)"])
        }
        let page = MetricsPage(vault: vault, requests: metrics, certificate: configuration.tls)
        let (bound, announce) = AsyncStream<Void>.makeStream()
        let listener = AdminListener(
            address: address, page: page, health: HealthRoutes(issuer), logger: logger
        ) {
            [onAdminReady] url in
            await onAdminReady(url)
            announce.finish()
        }
        application.addServices(listener)
        // The stream ends by itself where the listener failed: then nothing is served, and nothing announced.
        application.beforeServerStarts {
            for await _ in bound {}
            try Task.checkCancellation()
        }
    }
}
