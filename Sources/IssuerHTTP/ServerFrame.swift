package import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore

/// What is around every route of the issuer's own server: limits of requests and connections, the access log,
/// counts. Apart from the routes, so that the benchmark can measure what the frame alone costs.
package struct ServerFrame {
    package let router = Router(context: IssuerContext.self)
    let metrics = RequestMetrics()
    private let configuration: IssuerServer.Configuration
    private let logger: Logger

    package init(_ configuration: IssuerServer.Configuration, _ logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        router.add(middleware: ServerMiddleware(logger, metrics))
    }

    /// The server of what was mounted on ``router``.
    package func application(
        onServerRunning: @escaping @Sendable (any Channel) async -> Void = { _ in }
    ) -> Application<RouterResponder<IssuerContext>> {
        Application(
            router: router,
            server: configuration.server,
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), backlog: 1024,
                availableConnectionsDelegate: ConnectionLimit(
                    configuration.maximumConnections, metrics, logger)),
            onServerRunning: onServerRunning,
            logger: logger)
    }

    /// Connections are child tasks, so they all see that they are counted.
    package func run(_ application: Application<RouterResponder<IssuerContext>>) async throws {
        try await RequestMetrics.$isCounting.withValue(true) { try await application.run() }
    }
}
