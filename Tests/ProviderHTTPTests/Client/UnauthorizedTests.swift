import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ProviderHTTP
import TestSupport
import Testing
import TokenKeeper
import VaultCore

@Suite(.bounded) struct `A 401 is answered by one refresh and one more call` {
    /// Refuses the first generation with `fields`, takes any other.
    private static func refusingFirst(_ fields: String..., body: String = "no") -> RawServer.Script {
        { request in
            request.field("authorization") == "Bearer planted-1"
                ? [.write(Wire.answer("401 Unauthorized", body, fields))] : [.write(Wire.ok("yes"))]
        }
    }

    private static func url(_ server: RawServer) -> String { "http://127.0.0.1:\(server.port)/me" }

    @Test(arguments: [
        [], ["WWW-Authenticate: Bearer realm=\"x\""], ["WWW-Authenticate: Bearer error=\"invalid_token\""],
        ["www-authenticate: Bearer realm=\"a, error=insufficient_scope\", error = invalid_token"],
        ["WWW-Authenticate: Basic realm=\"x\"", "WWW-Authenticate: Bearer error=\"invalid_token\""],
        ["WWW-Authenticate: Bearer abc==, Bearer error=\"invalid\\_token\""],
    ])
    func `once, with the next token`(_ fields: [String]) async throws {
        let tokens = TokenList()
        let page = String(repeating: "no ", count: 10_000)
        let script: RawServer.Script = { request in
            request.field("authorization") == "Bearer planted-1"
                ? [.write(Wire.answer("401 Unauthorized", page, fields))] : [.write(Wire.ok("yes"))]
        }
        try await RawServer.with(script: script) { server in
            try await ProviderClient.with(tokens) { client in
                let response = try await client.execute(HTTPClientRequest(url: Self.url(server)))
                let text = try await response.text()
                #expect(text == "yes")
            }
            #expect(server.requests.count == 2)
            // The rest of the refusal was read: its connection serves the second call.
            #expect(server.connections == 1)
            #expect(tokens.forced == 1)
        }
    }

    @Test(arguments: [
        ("401 Unauthorized", "WWW-Authenticate: Bearer error=\"insufficient_scope\""),
        ("401 Unauthorized", "WWW-Authenticate: Bearer error=invalid_request, realm=\"invalid_token\""),
        ("403 Forbidden", "WWW-Authenticate: Bearer error=\"insufficient_scope\""),
        ("403 Forbidden", "WWW-Authenticate: Bearer error=\"invalid_token\""), ("400 Bad Request", "X: y"),
        ("429 Too Many Requests", "Retry-After: 1"), ("500 Internal Server Error", "X: y"),
    ])
    func `any other refusal is the caller's`(_ status: String, _ field: String) async throws {
        let tokens = TokenList()
        let answer = Wire.answer(status, "no", [field])
        try await RawServer.with(script: { _ in [.write(answer)] }) { server in
            try await ProviderClient.with(tokens) { client in
                let response = try await client.execute(HTTPClientRequest(url: Self.url(server)))
                #expect("\(response.status.code)" == status.prefix(3))
                let text = try await response.text()
                #expect(text == "no")
            }
            #expect(server.requests.count == 1)
            #expect(tokens.forced == 0)
        }
    }

    @Test func `a second 401 is the caller's`() async throws {
        let tokens = TokenList()
        let answer = Wire.answer("401 Unauthorized", "never")
        try await RawServer.with(script: { _ in [.write(answer)] }) { server in
            try await ProviderClient.with(tokens) { client in
                let response = try await client.execute(HTTPClientRequest(url: Self.url(server)))
                #expect(response.status == .unauthorized)
                let text = try await response.text()
                #expect(text == "never")
            }
            #expect(server.requests.count == 2)
            #expect(tokens.forced == 1)
        }
    }

    @Test func `where somebody else has refreshed meanwhile, no refresh is forced`() async throws {
        let tokens = TokenList()
        let script: RawServer.Script = { request in
            if request.field("authorization") == "Bearer planted-1" { tokens.moveOn() }
            return Self.refusingFirst()(request)
        }
        try await RawServer.with(script: script) { server in
            try await ProviderClient.with(tokens) { client in
                let response = try await client.execute(HTTPClientRequest(url: Self.url(server)))
                let text = try await response.text()
                #expect(text == "yes")
            }
            #expect(
                server.requests.map { $0.field("authorization") } == ["Bearer planted-1", "Bearer planted-2"])
            #expect(tokens.forced == 0)
        }
    }

    @Test func `a refresh that brings the same token back is not tried again`() async throws {
        let tokens = TokenList()
        tokens.answer(.ready(HeldAccessToken(SecretBytes(copying: "planted-1"), generation: 1)))
        try await RawServer.with(script: Self.refusingFirst(body: "first")) { server in
            try await ProviderClient.with(tokens) { client in
                let response = try await client.execute(HTTPClientRequest(url: Self.url(server)))
                let text = try await response.text()
                #expect(text == "first")
            }
            #expect(server.requests.count == 1)
        }
    }

    @Test func `a body of bytes is sent again, a stream is not`() async throws {
        let tokens = TokenList()
        try await RawServer.with(script: Self.refusingFirst()) { server in
            try await ProviderClient.with(tokens) { client in
                var request = HTTPClientRequest(url: Self.url(server))
                request.method = .POST
                let parts = AsyncStream<ByteBuffer> { stream in
                    stream.yield(ByteBuffer(string: "streamed"))
                    stream.finish()
                }
                request.body = .stream(parts, length: .known(Int64(8)))
                let refused = try await client.execute(request)
                #expect(refused.status == .unauthorized)
                #expect(tokens.forced == 0)

                request.body = nil
                let response = try await client.execute(request, body: ByteBuffer(string: "bytes"))
                #expect(response.status == .ok)
            }
            #expect(server.requests.map(\.body) == ["streamed", "bytes", "bytes"])
        }
    }

    @Test func `a refusal with a long or endless body does not hold up the second call`() async throws {
        let endless = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 99999999\r\n\r\n"
        for start in [String(repeating: "a", count: 200_000), ""] {
            let script: RawServer.Script = { request in
                request.connection == 1 ? [.write(endless + start)] : [.write(Wire.ok("yes"))]
            }
            try await RawServer.with(script: script) { server in
                try await ProviderClient.with(TokenList()) { client in
                    let response = try await client.execute(HTTPClientRequest(url: Self.url(server)))
                    let text = try await response.text()
                    #expect(text == "yes")
                }
                #expect(server.requests.count == 2)
            }
        }
    }

    @Test func `no token: a typed error, before the call and after a 401`() async throws {
        let answers: [(AccessTokenAnswer, ProviderClientError)] = [
            (
                .needsConsent(ConsentNeed(.revoked, connection: ConnectionID(1), provider: ProviderID(1))),
                .needsConsent(reason: "revoked")
            ),
            (.unavailable(retryAfter: .seconds(7), .provider), .unavailable(retryAfter: .seconds(7))),
        ]
        for (answer, error) in answers {
            let tokens = TokenList()
            let script: RawServer.Script = { request in
                tokens.answer(answer)
                return Self.refusingFirst()(request)
            }
            try await RawServer.with(script: script) { server in
                try await ProviderClient.with(tokens) { client in
                    for _ in 0..<2 {
                        await #expect(throws: error) {
                            try await client.execute(HTTPClientRequest(url: Self.url(server)))
                        }
                    }
                }
                #expect(server.requests.count == 1)
            }
        }
    }

    @Test func `neither an answer nor an error shows the token`() async throws {
        for placement in [Provider.AccessTokenPlacement.bearer, .query(parameter: "access_token")] {
            let script: RawServer.Script = { $0.target.hasPrefix("/me") ? [.write(Wire.ok("{}"))] : [.close] }
            try await RawServer.with(script: script) { server in
                try await ProviderClient.with(TokenList(placement)) { client in
                    let response = try await client.execute(HTTPClientRequest(url: Self.url(server)))
                    #expect(!"\(response) \(String(reflecting: response)) \(client)".contains("planted"))
                    do {
                        let url = "http://127.0.0.1:\(server.port)/other"
                        _ = try await client.execute(HTTPClientRequest(url: url))
                        Issue.record("closed without an answer")
                    } catch { #expect(!"\(error) \(String(reflecting: error))".contains("planted")) }
                }
            }
        }
    }
}
