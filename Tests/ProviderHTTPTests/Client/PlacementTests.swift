import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ProviderHTTP
import TestSupport
import Testing
import TokenKeeper
import VaultCore

@Suite(.bounded) struct `A token travels in one place, to where it may` {
    private func request(
        _ placement: Provider.AccessTokenPlacement, _ path: String
    ) async throws -> RawServer.Request {
        try await RawServer.with(script: { _ in [.write(Wire.ok("{}"))] }) { server in
            let response = try await ProviderClient.with(TokenList(placement)) { client in
                try await client.execute(HTTPClientRequest(url: "http://127.0.0.1:\(server.port)\(path)"))
            }
            #expect(response.status == .ok)
            #expect(server.requests.count == 1)
            return try #require(server.requests.first)
        }
    }

    @Test func `in the header`() async throws {
        let bearer = try await request(.bearer, "/v3/me?limit=1")
        #expect(bearer.field("authorization") == "Bearer planted-1")
        #expect(bearer.target == "/v3/me?limit=1")
        let other = try await request(.header(scheme: "token"), "/")
        #expect(other.field("authorization") == "token planted-1")
    }

    @Test func `in the query`() async throws {
        for (path, target) in [
            ("/me", "/me?access_token=planted-1"), ("/me?", "/me?access_token=planted-1"),
            ("/me?a=b%26c", "/me?a=b%26c&access_token=planted-1"),
        ] {
            let seen = try await request(.query(parameter: "access_token"), path)
            #expect(seen.target == target)
            #expect(seen.field("authorization") == nil)
        }
        let escaped = try await request(.query(parameter: "key[a b]"), "/")
        #expect(escaped.target == "/?key%5Ba%20b%5D=planted-1")
    }

    @Test(arguments: [
        "access_token=x", "accessToken=x", "a=b&ACCESS_TOKEN=x", "a=b;access_token=x", "access%5Ftoken=x",
        "%61ccess_token", "access_token[]=x", "access-token=x", "api_key=x", "apiKey=", "a=b&&access_token=",
    ])
    func `a query that brings a token is refused, whatever its spelling`(_ query: String) async throws {
        for placement in [Provider.AccessTokenPlacement.bearer, .query(parameter: "api_key")] {
            // To the header's provider `api_key` is a parameter like any other.
            if placement == .bearer && query.hasPrefix("api") { continue }
            try await ProviderClient.with(TokenList(placement)) { client in
                await #expect(throws: ProviderClientError.tokenAlreadyPresent) {
                    try await client.execute(HTTPClientRequest(url: "https://127.0.0.1:1/?" + query))
                }
            }
        }
    }

    @Test func `a header or a form that brings a token is refused`() async throws {
        for placement in [Provider.AccessTokenPlacement.bearer, .query(parameter: "api_key")] {
            try await ProviderClient.with(TokenList(placement)) { client in
                var request = HTTPClientRequest(url: "https://127.0.0.1:1/")
                request.headers.add(name: "aUTHORIZATION", value: "Basic eDp5")
                await #expect(throws: ProviderClientError.tokenAlreadyPresent) {
                    try await client.execute(request)
                }
                request.method = .POST
                request.headers = ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"]
                await #expect(throws: ProviderClientError.tokenAlreadyPresent) {
                    try await client.execute(request, body: ByteBuffer(string: "a=b&access_token=x"))
                }
            }
        }
    }

    @Test(arguments: [
        "http://api.example/", "http://192.168.1.1/", "https://user:pw@api.example/", "ftp://api.example/",
        "https://api.example/#access_token=x", "/relative", "http+unix://%2Ftmp%2Fs/",
    ])
    func `never in the clear to another machine`(_ url: String) async throws {
        try await ProviderClient.with(TokenList()) { client in
            await #expect(throws: ProviderClientError.insecureURL) {
                try await client.execute(HTTPClientRequest(url: url))
            }
        }
    }

    @Test func `not to a place that was not named`() async throws {
        try await RawServer.with(script: { _ in [.write(Wire.ok("{}"))] }) { server in
            let named = ["https://api.example", "http://127.0.0.1:\(server.port)"]
            try await ProviderClient.with(TokenList(), origins: named) { client in
                for url in [
                    "https://api.example.evil/", "https://api.example:8443/", "https://sub.api.example/",
                    "http://localhost:\(server.port)/", "https://127.0.0.1:\(server.port)/",
                ] {
                    await #expect(throws: ProviderClientError.foreignOrigin, "\(url)") {
                        try await client.execute(HTTPClientRequest(url: url))
                    }
                }
                let url = "http://127.0.0.1:\(server.port)/elsewhere"
                let response = try await client.execute(HTTPClientRequest(url: url))
                #expect(response.status == .ok)
            }
            #expect(server.requests.count == 1)
            for origin in ["api.example", "https://api.example/v3", "http://api.example", "https://a?b"] {
                await #expect(throws: ProviderClientError.insecureURL, "\(origin)") {
                    try await ProviderClient.with(TokenList(), origins: [origin]) { _ in }
                }
            }
        }
    }

    @Test func `a token follows no redirect`() async throws {
        try await RawServer.with(script: { _ in [.write(Wire.ok("{}"))] }) { other in
            let answer = Wire.answer("302 Found", "", ["Location: http://localhost:\(other.port)/"])
            try await RawServer.with(script: { _ in [.write(answer)] }) { server in
                let response = try await ProviderClient.with(TokenList()) { client in
                    try await client.execute(HTTPClientRequest(url: "http://127.0.0.1:\(server.port)/"))
                }
                #expect(response.status == .found)
            }
            #expect(other.connections == 0)
        }
    }

    @Test func `a token that could end a header is not sent, and in no error`() async throws {
        for text in ["planted\r\nX: y", "planted secret", "planted\u{e9}", ""] {
            let tokens = TokenList()
            tokens.answer(.ready(HeldAccessToken(SecretBytes(copying: text), generation: 1)))
            try await ProviderClient.with(tokens) { client in
                await #expect(throws: ProviderClientError.malformedToken) {
                    try await client.execute(HTTPClientRequest(url: "https://127.0.0.1:1/"))
                }
            }
        }
    }
}
