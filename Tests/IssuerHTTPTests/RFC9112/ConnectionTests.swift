import IssuerHTTP
import TestSupport
import Testing
import TokenVault

/// RFC 9110 and RFC 9112: what HTTP asks of a server besides answering.
@Suite(.bounded) struct `RFC 9112, connections and heads of requests` {
    private static let body = "grant_type=client_credentials"

    /// The head of a token request with ``body``, in lines of a test's own.
    private func head(_ app: Party, _ lines: String..., version: String = "1.1", length: Int = 29) -> String {
        let fixed = [
            "POST /oauth2/token HTTP/\(version)", "Content-Type: application/x-www-form-urlencoded",
            "Content-Length: \(length)", "Authorization: \(app.basic)",
        ]
        return (fixed + lines).joined(separator: "\r\n") + "\r\n\r\n"
    }

    // RFC 9110 section 10.1.1: clients wait a second or more for the interim answer.
    @Test(arguments: ["100-continue", "100-Continue"])
    func `a client that waits to be asked for the body is asked`(_ expectation: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            for _ in 0..<2 {
                try await wire.send(head(app, "Host: a", "Expect: \(expectation)"))
                #expect(try await wire.reply().status == 100)
                #expect(try await !wire.hasNews(within: 100))
                try await wire.send(Self.body)
                #expect(try await wire.reply().status == 200)
            }
        }
    }

    @Test func `a browser's form is asked for too, and a chunked one`() async throws {
        try await TestServer.run { server in
            let wire = try Wire(port: server.port)
            try await wire.send(
                "POST /sign-in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
                    + "Content-Type: application/x-www-form-urlencoded\r\n\r\n")
            #expect(try await wire.reply().status == 100)
            try await wire.send("6\r\nform=x\r\n0\r\n\r\n")
            #expect(try await wire.reply().status == 400)
        }
    }

    @Test func `a body that is not read is not asked for`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let heads = [
                (head(app, "Host: a", "Expect: 100-continue", length: 2_000_000), 413),
                (
                    "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
                    404
                ),
                (
                    "PUT /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
                    405
                ),
            ]
            for (head, status) in heads {
                let wire = try Wire(port: server.port)
                try await wire.send(head)
                let reply = try await wire.reply()
                #expect(reply.status == status)
                #expect(try await wire.rest().isEmpty)
            }
        }
    }

    @Test func `interim answers come between the answers of a pipeline, in order`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            let plain = head(app, "Host: a") + Self.body
            let asking = head(app, "Host: a", "Expect: 100-continue") + Self.body
            try await wire.send(plain + asking + plain + asking)
            var statuses: [Int] = []
            let text = try await wire.text(untilCount: 6, of: "HTTP/1.1 ")
            for match in text.matches(of: #/HTTP/1\.1 (\d+) /#) { statuses.append(Int(match.1) ?? 0) }
            #expect(statuses == [200, 100, 200, 200, 100, 200])
        }
    }

    // Probes and old clients take the end of the connection for the end of the answer.
    @Test(arguments: ["Host: a", "Connection: keep-alive", "Accept: */*"])
    func `a connection of HTTP/1.0 ends with the answer, and needs no Host`(_ line: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for request in [
                "GET /health/live HTTP/1.0\r\n\(line)\r\n\r\n", "GET /nowhere HTTP/1.0\r\n\(line)\r\n\r\n",
                "GET /sign-in HTTP/1.0\r\n\(line)\r\n\r\n",
                head(app, line, "Expect: 100-continue", version: "1.0") + Self.body,
            ] {
                let wire = try Wire(port: server.port)
                try await wire.send(request)
                let text = String(decoding: try await wire.rest(), as: UTF8.self)
                #expect(text.hasPrefix(request.contains("nowhere") ? "HTTP/1.1 404" : "HTTP/1.1 200"))
                #expect(
                    text.contains("\r\nconnection: close\r\n") || text.contains("\r\nConnection: close\r\n"))
            }
        }
    }

    @Test(arguments: ["close", "Close", "TE, close"])
    func `a client that asks for the end gets it, in any spelling`(_ option: String) async throws {
        try await TestServer.run { server in
            let wire = try Wire(port: server.port)
            try await wire.send("GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: \(option)\r\n\r\n")
            let reply = try await wire.reply()
            #expect(reply.status == 200)
            #expect(reply.header("connection") == "close")
            #expect(try await wire.rest().isEmpty)
        }
    }

    // RFC 9112 section 3.2: two servers in a row could each take another one.
    @Test(arguments: [[], ["Host: a", "Host: a"], ["Host: a", "host: b"]])
    func `a request without Host, or with two, is 400 and the end`(_ hosts: [String]) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let lines = (hosts + ["Authorization: \(app.basic)"]).joined(separator: "\r\n")
            for request in [
                "GET /health/live HTTP/1.1\r\n\(lines)\r\n\r\n", "GET /nowhere HTTP/1.1\r\n\(lines)\r\n\r\n",
                "POST /oauth2/token HTTP/1.1\r\n\(lines)\r\nContent-Length: 29\r\nExpect: 100-continue\r\n"
                    + "Content-Type: application/x-www-form-urlencoded\r\n\r\n\(Self.body)",
            ] {
                let wire = try Wire(port: server.port)
                try await wire.send(request)
                let reply = try await wire.reply()
                #expect(reply.status == 400)
                #expect(reply.error == "invalid_request")
                #expect(reply.header("connection") == "close")
                #expect(try await wire.rest().isEmpty)
            }
            #expect(try await server.entries("token.client-credentials").isEmpty)
        }
    }
}
