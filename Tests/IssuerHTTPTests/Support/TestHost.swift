import Foundation
import Hummingbird
import IssuerHTTP
import Logging
import ServiceLifecycle
import TokenIssuer
import TokenVault
import VaultCore

/// A service of somebody else's that protects its routes with our tokens, beside a server that issues them.
struct TestHost: Sendable {
    struct Context: BearerRequestContext {
        var coreContext: CoreRequestContextStorage
        var accessToken: ValidToken?

        init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
    }

    static let resource = "https://host.example/mcp"
    let port: Int

    /// - `/plain`: any token. `/scoped`: `basic writemeasurements`. `/query`: the query form on. `/named`: tokens for ``resource``, with `basic`. Each answers the scope.
    static func run(
        _ server: TestServer, vault: Vault? = nil, profile: IssuerProfile = .standard,
        _ body: @Sendable (TestHost) async throws -> Void
    ) async throws {
        let issuer = TokenIssuer(vault: vault ?? server.vault, profile: profile, issuer: server.issuer)
        let named = try ProtectedResource(
            Self.resource, of: issuer, scopes: ["basic", "more"], name: "A \"host\"")
        let router = Router(context: Context.self)
        let answer: @Sendable (Request, Context) async throws -> String = { _, context in
            context.accessToken?.scope.text ?? "no token"
        }
        router.group("plain").add(middleware: BearerAuthenticator(issuer)).get(use: answer).post(use: answer)
        router.group("scoped")
            .add(
                middleware: BearerAuthenticator(
                    issuer, requiring: ["basic", "writemeasurements"], realm: "a\"\r\n")
            )
            .get(use: answer)
        router.group("query").add(middleware: BearerAuthenticator(issuer, acceptsQuery: true)).get(
            use: answer)
        router.group("named").add(
            middleware: BearerAuthenticator(issuer, requiring: ["basic"], for: named)
        ).get(use: answer)
        router.addRoutes(named)
        router.group("header").add(middleware: BearerAuthenticator(issuer, acceptsQuery: false)).get(
            use: answer)
        try await serve(router, server.log.logger, body)
    }

    /// Serves what was added to the router while `body` runs.
    static func serve<Served: RequestContext>(
        _ router: Router<Served>, _ logger: Logger, _ body: @Sendable (TestHost) async throws -> Void
    ) async throws where Served.Source == ApplicationRequestContextSource {
        let (ports, announce) = AsyncStream<Int>.makeStream()
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { announce.yield($0.localAddress?.port ?? 0) }, logger: logger)
        let group = ServiceGroup(services: [application], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { announce.finish() }
                try await group.run()
            }
            if let port = await ports.first(where: { _ in true }) {
                do { try await body(TestHost(port: port)) } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// - Parameter form: sent along, as a browser does it.
    func send(
        _ method: String = "GET", _ path: String, _ headers: [String] = [], form: Form = [:]
    ) async throws -> Reply {
        let wire = try Wire(port: port)
        let body = form.map { "\($0)=\(TestServer.encode($1))" }.joined(separator: "&")
        var lines = ["\(method) \(path) HTTP/1.1", "Host: host.example"] + headers
        if !body.isEmpty {
            lines += [
                "Content-Type: application/x-www-form-urlencoded", "Content-Length: \(body.utf8.count)",
            ]
        }
        try await wire.send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        return try await wire.reply()
    }

    func get(_ path: String, bearer token: String?) async throws -> Reply {
        try await send("GET", path, token.map { ["Authorization: Bearer \($0)"] } ?? [])
    }
}
