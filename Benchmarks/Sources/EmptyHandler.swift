import ArgumentParser
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// What the server does when it has nothing to do: the same HTTP server, one route, a fixed answer.
struct EmptyHandler: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve one route that only reads its body.")

    @Option(help: "Port to listen on.")
    var port: Int

    func run() async throws {
        let router = Router()
        // As long as a token answer, so that both write the same.
        let answer = ByteBuffer(string: "{\"refresh_token\":\"" + String(repeating: "x", count: 300) + "\"}")
        router.post("oauth2/token") { request, _ in
            _ = try await request.body.collect(upTo: 65536)
            return Response(
                status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: answer))
        }
        var logger = Logger(label: "empty")
        logger.logLevel = .error
        let application = Application(
            router: router,
            server: .http1(configuration: HTTP1Channel.Configuration(idleTimeout: .seconds(30))),
            configuration: ApplicationConfiguration(
                address: .hostname("127.0.0.1", port: port), backlog: 1024),
            logger: logger)
        try await application.run()
    }
}
