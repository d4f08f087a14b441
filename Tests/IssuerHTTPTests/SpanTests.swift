import Hummingbird
import InMemoryTracing
import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import Tracing
import VaultCore

@Suite(.bounded) struct `Spans of endpoints in a host's router` {
    @Test func `a token request is one span, under the id that its answer names`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tracer = InMemoryTracer()
            let issuer = TokenIssuer(
                vault: server.vault, profile: .standard, url: nil, idTokens: nil, assertions: nil,
                claims: .none, tracer: tracer)
            let router = Router(context: TestHost.Context.self)
            router.addRoutes(IssuerRoutes(issuer))
            try await TestHost.serve(router, server.log.logger) { host in
                func post(_ form: String, _ path: String = "/oauth2/token") async throws -> Reply {
                    let wire = try Wire(port: host.port)
                    let head = ["Authorization: \(app.basic)"]
                    try await wire.send(
                        TestServer.request(body: Array(form.utf8), headers: head, path: path))
                    return try await wire.reply()
                }
                let good = try await post("grant_type=client_credentials")
                let token = try #require(good.accessToken)
                let bad = try await post("grant_type=refresh_token&refresh_token=planted")
                #expect(good.status == 200 && bad.error == "invalid_grant")
                // Of other endpoints, and of what is no token request, there are none.
                #expect(try await post("token=\(token)", "/oauth2/introspect").status == 200)
                #expect(try await post("grant_type=password").error == "unsupported_grant_type")

                let spans = tracer.finishedSpans
                #expect(spans.map(\.operationName) == ["tokenvault.token", "tokenvault.token"])
                let ids = spans.map { $0.attributes.get("tokenvault.request_id") }
                #expect(
                    ids == [good, bad].map { $0.header("x-request-id").map { .string($0) } })
                #expect(spans.last?.attributes.get("error.type") == .string("invalid_grant"))
            }
        }
    }
}
