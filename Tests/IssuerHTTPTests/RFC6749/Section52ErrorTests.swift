import TestSupport
import Testing
import TokenVault

/// RFC 6749 section 5.2: error responses.
@Suite(.bounded) struct `RFC 6749 section 5.2, error response` {
    /// One request for each way to be refused.
    private func refusals(_ server: TestServer) async throws -> [Reply] {
        let app = try await server.client()
        let plain = try await server.client("plain", grants: [.authorizationCode])
        return [
            try await server.post(body: "", type: nil),
            try await server.post(body: "{}", type: "application/json"),
            try await server.post(body: "a=%"),
            try await server.post(body: "a=1&a=1"),
            try await server.post(["grant_type": "foo"], authorization: app.basic),
            try await server.post(["grant_type": "client_credentials"]),
            try await server.post(
                ["grant_type": "client_credentials"], authorization: Party.basic(app.id, "x")),
            try await server.post(["grant_type": "client_credentials"], authorization: plain.basic),
            try await server.post(
                ["grant_type": "client_credentials", "scope": "all"], authorization: app.basic),
            try await server.post(
                ["grant_type": "client_credentials", "scope": "a  b"], authorization: app.basic),
            try await server.post(["grant_type": "authorization_code"], authorization: app.basic),
            try await server.post(
                ["grant_type": "authorization_code", "code": "x"], authorization: app.basic),
            try await server.post(["grant_type": "refresh_token"], authorization: app.basic),
            try await server.post(
                ["grant_type": "refresh_token", "refresh_token": "x"], authorization: app.basic),
            try await server.post(body: String(repeating: "a", count: 70_000)),
            try await server.post(body: "x=1", path: "/nowhere"),
        ]
    }

    @Test func `every refusal is JSON that nobody may store, with a description that keeps to the alphabet`()
        async throws
    {
        try await TestServer.run { server in
            let replies = try await refusals(server)
            #expect(Set(replies.map(\.status)) == [400, 401, 404, 413])
            for reply in replies {
                #expect(reply.header("content-type") == "application/json")
                #expect(reply.header("cache-control") == "no-store")
                #expect(reply.header("pragma") == "no-cache")
                #expect(Set(reply.json.keys) == ["error", "error_description"])
                let description = try #require(reply.member("error_description"))
                #expect(description.utf8.count > 20)
                let isLegal = description.utf8.allSatisfy {
                    (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C
                }
                #expect(isLegal, "\(description)")
                #expect((reply.status == 401) == (reply.header("www-authenticate") != nil))
            }
        }
    }

    @Test func `a refusal repeats nothing of the request`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let planted = "pl4nted\r\nSet-Cookie: a=b\"\\"
            let forms: [Form] = [
                ["grant_type": planted],
                ["grant_type": "refresh_token", "refresh_token": planted],
                ["grant_type": "authorization_code", "code": planted, "redirect_uri": planted],
                ["grant_type": "client_credentials", "scope": planted],
                ["grant_type": "client_credentials", planted: planted, "client_id": planted],
            ]
            for form in forms {
                let reply = try await server.post(form, authorization: app.basic)
                #expect(reply.status == 400)
                #expect(!reply.text.contains("pl4nted"))
                #expect(reply.header("set-cookie") == nil)
                #expect(!reply.headers.contains { $0.value.contains("pl4nted") })
            }
            #expect(!server.log.all.contains { $0.contains("pl4nted") })
        }
    }

    @Test func `an authenticated client's refused request is in the log with its request id`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(
                ["grant_type": "client_credentials", "scope": "all"], authorization: app.basic)
            let entry = try #require(try await server.entries("token.request").last)
            #expect(entry.outcome == "refused")
            #expect(entry.reason == "scope_exceeded")
            #expect(entry.requestID == reply.header("x-request-id"))
        }
    }
}
