import TestSupport
import Testing
import TokenVault

/// RFC 6749 appendix B: the body is a form in UTF-8.
@Suite(.bounded) struct `RFC 6749 appendix B, form bodies` {
    @Test(arguments: [
        "application/json", "multipart/form-data; boundary=x", "text/plain",
        "application/x-www-form-urlencodedx",
        "text/plain; charset=utf-8", "",
    ])
    func `another media type is refused`(_ type: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(
                body: #"grant_type=client_credentials"#, type: type, headers: ["Authorization: \(app.basic)"])
            #expect(reply.status == 400)
            #expect(reply.error == "invalid_request")
        }
    }

    @Test func `a body without Content-Type is refused, and so is a JSON one`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let authorization = ["Authorization: \(app.basic)"]
            let untyped = try await server.post(
                body: "grant_type=client_credentials", type: nil, headers: authorization)
            #expect(untyped.error == "invalid_request")
            let json = try await server.post(
                body: #"{"grant_type":"client_credentials"}"#, type: "application/json",
                headers: authorization)
            #expect(json.error == "invalid_request")
            let empty = try await server.post(body: "", type: nil, headers: authorization)
            #expect(empty.error == "invalid_request")
        }
    }

    @Test(arguments: [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"utf-8\"",
        "APPLICATION/X-WWW-FORM-URLENCODED", "application/x-www-form-urlencoded ; x=y",
        "application/x-www-form-urlencoded; charset=ISO-8859-1",
        "application/x-www-form-urlencoded;charset=us-ascii",
    ])
    func `the media type may be spelled in every way it may`(_ type: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(
                body: "grant_type=client_credentials", type: type, headers: ["Authorization: \(app.basic)"])
            #expect(reply.status == 200)
        }
    }

    // Its octets would be read as other characters than the client wrote.
    @Test(arguments: ["é", "%C3%A9", "%E9", "%80"])
    func `another character encoding is taken for ASCII alone`(_ text: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let type = "application/x-www-form-urlencoded; charset="
            for (charset, value, isTaken) in [
                ("iso-8859-1", text, false), ("iso-8859-1", "%41%7E", true), ("windows-1252", "a", true),
                ("utf-8", "%C3%A9", true), ("utf-16", "%00a", false),
            ] {
                let reply = try await server.post(
                    body: "grant_type=client_credentials&x=\(value)", type: type + charset,
                    headers: ["Authorization: \(app.basic)"])
                #expect(reply.status == (isTaken ? 200 : 400), "\(charset) \(value)")
            }
        }
    }

    @Test(arguments: [
        "%", "%4", "%zz", "%%41", "a%00b", "%C3", "%C0%AF", "%ED%A0%80", "%F5%80%80%80", "%ff", "a\u{0}b",
        "a\r\nb", "%+1",
    ])
    func `hostile octets are refused, never a 5xx`(_ value: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for body in [
                "grant_type=client_credentials&scope=\(value)", "grant_type=client_credentials&\(value)=x",
            ] {
                let reply = try await server.post(body: body, headers: ["Authorization: \(app.basic)"])
                #expect(reply.status == 400)
                #expect(reply.error == "invalid_request")
            }
        }
    }

    @Test func `more parameters than anybody needs are refused`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            func body(_ count: Int) -> String {
                "grant_type=client_credentials" + (1..<count).map { "&p\($0)=1" }.joined()
            }
            let authorization = ["Authorization: \(app.basic)"]
            #expect(try await server.post(body: body(64), headers: authorization).status == 200)
            #expect(try await server.post(body: body(65), headers: authorization).error == "invalid_request")
            #expect(
                try await server.post(body: body(5000), headers: authorization).error == "invalid_request")
        }
    }

    @Test func `a body over the cap gets 413 and the connection survives`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wire = try Wire(port: server.port)
            let authorization = ["Authorization: \(app.basic)"]
            let tooLarge =
                Array("grant_type=client_credentials&x=".utf8) + [UInt8](repeating: 0x61, count: 70_000)
            for _ in 0..<3 {
                try await wire.send(TestServer.request(body: tooLarge, headers: authorization))
                let reply = try await wire.reply()
                #expect(reply.status == 413)
                #expect(reply.error == "invalid_request")
                #expect(reply.header("cache-control") == "no-store")
                let good = Array("grant_type=client_credentials".utf8)
                try await wire.send(TestServer.request(body: good, headers: authorization))
                #expect(try await wire.reply().status == 200)
            }
        }
    }

    @Test func `a body of the size of the cap is read`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let start = "grant_type=client_credentials&x="
            for (count, status) in [(65_536, 200), (65_537, 413)] {
                let body = start + String(repeating: "a", count: count - start.utf8.count)
                #expect(
                    try await server.post(body: body, headers: ["Authorization: \(app.basic)"]).status
                        == status)
            }
        }
    }
}
