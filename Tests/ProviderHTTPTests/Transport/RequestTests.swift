import ProviderHTTP
import TestSupport
import Testing
import TokenKeeper
import VaultCore

@Suite(.bounded) struct `What is sent and what comes back` {
    @Test func `headers, query and body arrive as they were given, and nothing of ours but what is said`()
        async throws
    {
        try await RawServer.with(script: { _ in [.write(Wire.ok("{}", "X-One: 1", "x-one: 2"))] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                var request = ProviderRequest.refresh(server.port, body: "refresh_token=a%20b")
                request.url += "?tenant=t"
                request.query = SecretBytes(copying: "client%5Fid=c%26d&x=%2B")
                request.headers.append(("authorization", SecretBytes(copying: "Basic YTpi")))
                let reply = try await transport.send(request)
                #expect(reply.status == 200)
                #expect(reply.text == "{}")
                #expect(reply.headers["x-one"] == "1")
            }
            let seen = try #require(server.requests.first)
            #expect(seen.head.hasPrefix("POST /token?tenant=t&client%5Fid=c%26d&x=%2B HTTP/1.1\r\n"))
            #expect(seen.body == "refresh_token=a%20b")
            #expect(seen.field("authorization") == "Basic YTpi")
            #expect(seen.field("accept-encoding") == "identity")
            #expect(seen.field("user-agent") == "TokenVault")
            #expect(seen.field("connection") == "close")
            #expect(!seen.head.contains("departure"))
        }
    }

    @Test func `a redirect is an answer, not a way to go`() async throws {
        let answer = Wire.answer("307 Temporary Redirect", "", ["Location: /elsewhere"])
        try await RawServer.with(script: { _ in [.write(answer)] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                #expect(await transport.outcome(.refresh(server.port)) == .success(307))
            }
            #expect(server.requests.count == 1)
        }
    }

    @Test func `100 Continue before the answer is passed over`() async throws {
        let answer = "HTTP/1.1 100 Continue\r\n\r\n" + Wire.ok("yes")
        try await RawServer.with(script: { _ in [.write(answer)] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                let reply = try await transport.send(.refresh(server.port))
                #expect(reply.text == "yes")
            }
        }
    }

    @Test func `a compressed body is handed over as it came`() async throws {
        let answer = Wire.ok("not gzip at all", "Content-Encoding: gzip")
        try await RawServer.with(script: { _ in [.write(answer)] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                let reply = try await transport.send(.refresh(server.port))
                #expect(reply.text == "not gzip at all")
            }
        }
    }

    @Test(arguments: [
        "http://example.com/token", "http://10.0.0.1/token", "http://127.0.0.1.example/token",
        "http://127.1/token", "http://127.0.0.01/token", "ftp://127.0.0.1/", "http+unix://%2Ftmp%2Fs/",
        "unix:///tmp/s", "https://user@example.com/", "https://u:p@127.0.0.1/", "https://example.com/#f",
        "https:///token", "https://", "", "token", "https://exa mple.com/", "https://example.com/\u{e9}",
        "https://example.com:0/", "https://example.com:99999/", "https://example.com/\r\nX: y",
    ])
    func `an address that a token may not go to is refused`(_ url: String) async throws {
        try await AsyncHTTPTransport.withTransport { transport in
            let outcome = await transport.outcome(ProviderRequest(.refresh, .get, url))
            #expect(outcome == .failure(.notSent(.invalidURL)))
        }
    }

    @Test func `a header that would end the head is not sent`() async throws {
        try await RawServer.with(script: { _ in [.write(Wire.ok(""))] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                var request = ProviderRequest.refresh(server.port)
                request.headers.append(("x", SecretBytes(copying: "a\r\nb: c")))
                #expect(await transport.outcome(request) == .failure(.notSent(.other)))
            }
            #expect(server.requests.isEmpty)
        }
    }
}
