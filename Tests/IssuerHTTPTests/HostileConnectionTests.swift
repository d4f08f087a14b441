import IssuerHTTP
import TestSupport
import Testing
import TokenVault

/// Connections that do not behave: bounded in time and memory, never a 5xx, never a change.
@Suite(.bounded) struct `Hostile connections` {
    private static func requests(_ readTime: Duration) -> RequestConfiguration {
        var requests = RequestConfiguration()
        requests.readTime = readTime
        return requests
    }

    /// Heads with `Content-Length` headers of a test's own.
    private func head(_ app: Party, _ further: String) -> String {
        "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            + "Authorization: \(app.basic)\r\n\(further)\r\n\r\n"
    }

    @Test func `a connection that says nothing, or half a head, is closed`() async throws {
        try await TestServer.run(configure: { configuration, _ in
            configuration.idleTimeout = .milliseconds(200)
        }) { server in
            for start in ["", "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nX-"] {
                let wire = try Wire(port: server.port)
                try await wire.send(start)
                #expect(try await wire.rest().isEmpty)
            }
        }
    }

    @Test func `a body that stays away gets 408, and the connection may be silent for longer`() async throws {
        try await TestServer.run(requests: Self.requests(.milliseconds(200))) { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            try await wire.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await wire.reply().status == 200)
            #expect(try await !wire.hasNews(within: 500))
            for start in ["", "grant_type=client"] {
                let wire = start.isEmpty ? wire : try Wire(port: server.port)
                try await wire.send(head(app, "Content-Length: 29") + start)
                let reply = try await wire.reply()
                #expect(reply.status == 408)
                #expect(reply.header("connection") == "close")
                #expect(try await wire.rest().isEmpty)
            }
            #expect(try await server.entries("token.client-credentials").isEmpty)
        }
    }

    @Test func `a head that trickles in is cut off`() async throws {
        try await TestServer.run(configure: { configuration, _ in
            configuration.idleTimeout = .milliseconds(200)
        }) { server in
            let wire = try Wire(port: server.port)
            try await wire.send("POST /oauth2/token HTTP/1.1\r\n")
            var turns = 0
            while turns < 500, try await !wire.hasNews(within: 20) {
                turns += 1
                try? await wire.send("X-\(turns): a\r\n")
            }
            #expect(turns < 500)
            #expect(try await wire.rest().isEmpty)
        }
    }

    @Test func `a body that trickles in gets 408 and the end of the connection`() async throws {
        try await TestServer.run(requests: Self.requests(.seconds(1))) { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            try await wire.send(head(app, "Content-Length: 60000") + "grant_type=client_credentials&x=")
            var turns = 0
            while turns < 500, try await !wire.hasNews(within: 20) {
                turns += 1
                try await wire.send("a")
            }
            let reply = try await wire.reply()
            #expect(reply.status == 408)
            #expect(reply.error == "invalid_request")
            #expect(try await wire.rest().isEmpty)
            #expect(try await server.entries("token.client-credentials").isEmpty)
        }
    }

    @Test func `a body of absurd length is not waited for`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for length in ["2000000", "99999999999", "9223372036854775807"] {
                let wire = try Wire(port: server.port)
                try await wire.send(head(app, "Content-Length: \(length)"))
                let reply = try await wire.reply()
                #expect(reply.status == 413)
                #expect(reply.header("connection") == "close")
                #expect(try await wire.rest().isEmpty)
            }
        }
    }

    @Test func `a chunked body is read within the same limits`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            let chunks = "a\r\ngrant_type\r\n13\r\n=client_credentials\r\n0\r\n\r\n"
            try await wire.send(head(app, "Transfer-Encoding: chunked") + chunks)
            #expect(try await wire.reply().status == 200)
            try await wire.send(head(app, "Transfer-Encoding: chunked"))
            let chunk = "2000\r\n" + String(repeating: "a", count: 0x2000) + "\r\n"
            for _ in 0..<10 { try await wire.send(chunk) }
            try await wire.send("0\r\n\r\n")
            #expect(try await wire.reply().status == 413)
            try await wire.send(head(app, "Content-Length: 29") + "grant_type=client_credentials")
            #expect(try await wire.reply().status == 200)
        }
    }

    @Test func `a chunked body without end is cut off`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            try await wire.send(head(app, "Transfer-Encoding: chunked"))
            let chunk = "10000\r\n" + String(repeating: "a", count: 0x10000) + "\r\n"
            var sent = 0
            while sent < 1000, try await !wire.hasNews(within: 0) {
                do { try await wire.send(chunk) } catch { break }
                sent += 1
            }
            // 64 KiB and the megabyte that is thrown away, and what the sockets hold.
            #expect(sent < 1000)
        }
    }

    @Test func `a body cut short issues nothing`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for further in ["Content-Length: 50", "Transfer-Encoding: chunked"] {
                let body = "grant_type=client_credentials"
                let wire = try Wire(port: server.port)
                let start = further.hasPrefix("T") ? "1d\r\n\(body)\r\n" : body
                try await wire.send(head(app, further) + start)
                wire.finishSending()
                let answer = String(decoding: try await wire.rest(), as: UTF8.self)
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
            }
            #expect(try await server.entries("token.client-credentials").isEmpty)
        }
    }

    @Test(arguments: [
        "GET\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n",
        "POST /oauth2/token HTTP/9.9\r\n\r\n",
        "POST /oauth2/token HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /oauth2/token HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "POST /oauth2/token HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n",
        "POST /oauth2/token HTTP/1.1\r\nA: \u{0}\r\n\r\n",
    ])
    func `what is no HTTP is refused and the server goes on`(_ text: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            try await wire.send(text)
            wire.finishSending()
            let answer = String(decoding: try await wire.rest(), as: UTF8.self)
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(answer)")
            #expect(!answer.contains("access_token"))
            let good = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            #expect(good.status == 200)
        }
    }

    @Test func `headers without end are refused`() async throws {
        try await TestServer.run { server in
            let wire = try Wire(port: server.port)
            try await wire.send("GET /health/live HTTP/1.1\r\nHost: a\r\n")
            var sent = 0
            while sent < 2000, try await !wire.hasNews(within: 0) {
                do { try await wire.send("X-\(sent): \(String(repeating: "a", count: 200))\r\n") } catch {
                    break
                }
                sent += 1
            }
            #expect(sent < 2000)
        }
    }

    @Test func `requests in one packet are answered in order`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let good = TestServer.request(
                body: Array("grant_type=client_credentials".utf8), headers: ["Authorization: \(app.basic)"])
            let bad = TestServer.request(body: Array("grant_type=foo".utf8))
            let wire = try Wire(port: server.port)
            let last = Array("GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8)
            try await wire.send(good + bad + good + last)
            let text = String(decoding: try await wire.rest(), as: UTF8.self)
            let statuses = text.matches(of: #/HTTP/1\.1 (\d+) /#).map { String($0.1) }
            #expect(statuses == ["200", "400", "200", "200"])
        }
    }
}
