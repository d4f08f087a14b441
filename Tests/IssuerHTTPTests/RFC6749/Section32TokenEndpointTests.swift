import TestSupport
import Testing
import TokenVault

/// RFC 6749 section 3.2: what a request to the token endpoint is.
@Suite(.bounded) struct `RFC 6749 section 3.2, token endpoint` {
    @Test(arguments: ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
    func `anything but POST gets 405 with Allow and no token`(_ method: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            let query = "grant_type=client_credentials&client_id=\(app.id)&client_secret=\(app.secret ?? "")"
            try await wire.send("\(method) /oauth2/token?\(query) HTTP/1.1\r\nHost: issuer.example\r\n\r\n")
            let reply = try await wire.reply(toHead: method == "HEAD")
            #expect(reply.status == 405)
            #expect(reply.header("allow") == "POST, OPTIONS")
            #expect(reply.header("cache-control") == "no-store")
            #expect(method == "HEAD" ? reply.body.isEmpty : reply.error == "invalid_request")
            #expect(try await server.entries("token.client-credentials").isEmpty)
        }
    }

    @Test func `parameters in the query string are not looked at`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let path = "/oauth2/token?client_id=\(app.id)&client_secret=\(app.secret ?? "")"
            let reply = try await server.post(["grant_type": "client_credentials"], path: path)
            #expect(reply.status == 401)
            let named = try await server.post(
                ["client_id": app.id], authorization: app.basic,
                path: "/oauth2/token?grant_type=client_credentials")
            #expect(named.error == "invalid_request")
        }
    }

    @Test(arguments: ["", "grant_type=", "grant_type", "scope=basic"])
    func `without a grant_type the request is invalid`(_ body: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(body: body, headers: ["Authorization: \(app.basic)"])
            #expect(reply.status == 400)
            #expect(reply.error == "invalid_request")
        }
    }

    @Test(arguments: ["foo", "password", "implicit", "authorization_code ", "Refresh_Token"])
    func `an unknown grant_type is unsupported`(_ type: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(
                ["grant_type": type, "username": "alice", "password": "secret"], authorization: app.basic)
            #expect(reply.status == 400)
            #expect(reply.error == "unsupported_grant_type")
        }
    }

    @Test func `a parameter that comes twice is refused and nothing changes`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let whole = [
                "grant_type=authorization_code", "code=\(code)",
                "redirect_uri=\(TestServer.encode(Party.redirectURI))", "client_id=\(app.id)",
                "client_secret=\(app.secret ?? "")",
            ]
            let extra = ["scope=basic", "refresh_token=x", "code_verifier=x", "unheard_of=x"]
            for parameter in whole + extra {
                let body = (whole + extra + [parameter]).joined(separator: "&")
                let reply = try await server.post(body: body)
                #expect(reply.status == 400)
                #expect(reply.error == "invalid_request", "\(parameter) twice")
            }
            let emptyTwice = try await server.post(
                body: (whole + ["scope", "scope="]).joined(separator: "&"))
            #expect(emptyTwice.error == "invalid_request")
            #expect(try await server.entries("token.code").isEmpty)
            #expect(try await server.post(body: whole.joined(separator: "&")).status == 200)
        }
    }

    @Test func `unknown parameters are ignored`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(
                ["grant_type": "client_credentials", "foo": "bar", "clientId": "other", "näme": "wért"],
                authorization: app.basic)
            #expect(reply.status == 200)
        }
    }

    @Test func `a parameter without a value counts as left out`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(
                body: "grant_type=client_credentials&scope=&client_id=&client_secret=&client_assertion",
                headers: ["Authorization: \(app.basic)"])
            #expect(reply.status == 200)
            #expect(reply.member("scope") == "basic readmeasurements")
        }
    }
}
