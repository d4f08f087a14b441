import ArgumentParser
import Foundation
import HTTPTypes
import Hummingbird
import IssuerHTTP
import Logging
import NIOCore

/// The issuer's own server around a handler that reads its body and answers: what a token request costs before anything
/// is done about it.
///
/// The answer is a real one, always the same, with the fields of a real one; not even a request id is drawn.
struct FramedHandler: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve one route that only reads its body, as the issuer serves its own.")

    @Option(help: "Port to listen on.")
    var port: Int
    @Option(help: "The body to answer.")
    var answer: String

    func run() async throws {
        // As the command does before it logs.
        setenv("TZ", ":/etc/localtime", 0)
        let logger = Logger(label: "tokenvault") { StreamLogHandler.standardError(label: $0) }
        let frame = ServerFrame(IssuerServerConfiguration(port: port), logger)
        let body = ByteBuffer(string: answer)
        var fields: HTTPFields = [.contentType: "application/json", .cacheControl: "no-store"]
        for (name, value) in [("Pragma", "no-cache"), ("X-Request-Id", "0123456789abcdef")] {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        frame.router.post("oauth2/token") { [fields] request, _ in
            for try await _ in request.body {}
            return Response(status: .ok, headers: fields, body: ResponseBody(byteBuffer: body))
        }
        try await frame.run(frame.application())
    }
}
