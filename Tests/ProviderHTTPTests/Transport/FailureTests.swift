import ProviderHTTP
import TestSupport
import Testing
import TokenKeeper
import VaultCore

@Suite(.bounded) struct `Every failure says whether the request may have arrived` {
    /// One request to a server that does `steps` when it has read it.
    private func outcome(
        _ steps: RawServer.Step..., onAccept: [RawServer.Step] = [], timeout: Duration = .seconds(20)
    ) async throws -> Result<Int, TransportFailure> {
        try await RawServer.with(onAccept: onAccept, script: { _ in steps }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                let outcome = await transport.outcome(.refresh(server.port, timeout: timeout))
                #expect(server.requests.count <= 1)
                return outcome
            }
        }
    }

    @Test func `nobody listens: not sent`() async throws {
        let port = try await RawServer.with(script: { _ in [] }) { $0.port }
        try await AsyncHTTPTransport.withTransport { transport in
            #expect(await transport.outcome(.refresh(port)) == .failure(.notSent(.connect)))
            var request = ProviderRequest.refresh(port)
            request.url = "http://localhost:\(port)/"
            #expect(await transport.outcome(request) == .failure(.notSent(.connect)))
        }
    }

    @Test func `a name that does not exist: not sent`() async throws {
        try await AsyncHTTPTransport.withTransport { transport in
            let request = ProviderRequest(.refresh, .post, "https://nobody.invalid/token")
            #expect(await transport.outcome(request) == .failure(.notSent(.nameLookup)))
        }
    }

    @Test func `closed as soon as accepted: whatever the race gave, sent at most once`() async throws {
        for _ in 0..<50 {
            let outcome = try await outcome(onAccept: [.close])
            #expect(
                [.failure(.ambiguous(.reset)), .failure(.notSent(.connect))].contains(outcome), "\(outcome)")
        }
    }

    @Test func `closed or reset after the request was read: ambiguous`() async throws {
        #expect(try await outcome(.close) == .failure(.ambiguous(.reset)))
        #expect(try await outcome(.reset) == .failure(.ambiguous(.reset)))
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\nX-Slow: ", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ])
    func `an answer that does not end by the deadline: ambiguous`(_ beginning: String) async throws {
        try await RawServer.with(script: { _ in [.write(beginning)] }) { server in
            // The time is over as soon as the server has read the request.
            let transport = try AsyncHTTPTransport(configuration: ConnectionConfiguration()) { span in
                #expect(span == .seconds(20))
                while server.requests.isEmpty { await Task.yield() }
            }
            #expect(await transport.outcome(.refresh(server.port)) == .failure(.ambiguous(.timeout)))
            await transport.shutdown()
            #expect(server.requests.count == 1)
        }
    }

    @Test func `a server that does not finish the handshake by the deadline was sent nothing`() async throws {
        try await RawServer.with(script: { _ in [] }) { server in
            // The end of a transport waits for connections that are being made.
            var configuration = ConnectionConfiguration()
            configuration.connectTimeout = .seconds(3)
            let transport = try AsyncHTTPTransport(configuration: configuration) { _ in
                while server.connections == 0 { await Task.yield() }
            }
            var request = ProviderRequest.refresh(server.port)
            request.url = "https://127.0.0.1:\(server.port)/"
            #expect(await transport.outcome(request) == .failure(.notSent(.timeout)))
            await transport.shutdown()
        }
    }

    @Test func `the deadline is kept by the clock too`() async throws {
        guard case .failure(let failure) = try await outcome(timeout: .milliseconds(200)) else {
            Issue.record("there was no answer")
            return
        }
        #expect(failure.cause == .timeout)
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
    ])
    func `a body cut short: ambiguous, truncated`(_ text: String) async throws {
        #expect(try await outcome(.write(text), .close) == .failure(.ambiguous(.truncated)))
    }

    private static let tokens = #"{"access_token":"a","refresh_token":"r"}"#
    /// Their length promises more, the last chunk is missing, nothing says how long it is.
    private static let unended = [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + tokens,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n\(tokens)\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n" + tokens,
        "HTTP/1.1 200 OK\r\n\r\n" + tokens,
    ]

    @Test(arguments: unended)
    func `one whole JSON text is whole, however the connection ends`(_ text: String) async throws {
        #expect(try await outcome(.write(text), .close) == .success(200))
    }

    @Test func `one that is cut off is not`() async throws {
        for text in [Self.unended[0], Self.unended[2]] {
            let cut = String(text.dropLast())
            #expect(try await outcome(.write(cut), .close) == .failure(.ambiguous(.truncated)))
        }
    }

    @Test func `also where it does not end by the deadline`() async throws {
        #expect(try await outcome(.write(Self.unended[0]), timeout: .seconds(2)) == .success(200))
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
    ])
    func `what is not HTTP: ambiguous`(_ text: String) async throws {
        let outcome = try await outcome(.write(text), .close)
        guard case .failure(.ambiguous) = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test func `a body of the greatest size is read, one octet more is not`() async throws {
        let most = String(repeating: "a", count: Limits.sealedReplyBytes)
        #expect(try await outcome(.write(Wire.ok(most))) == .success(200))
        #expect(try await outcome(.write(Wire.ok(most + "a"))) == .failure(.ambiguous(.tooLarge)))
        let endless = "HTTP/1.1 200 OK\r\n\r\n" + most + most
        #expect(try await outcome(.write(endless)) == .failure(.ambiguous(.tooLarge)))
    }

    @Test func `heads without end are not read: ambiguous`() async throws {
        let fields = (0..<300).map { "X-\($0): v\r\n" }.joined()
        let many = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(fields)\r\n"
        #expect(try await outcome(.write(many)) == .failure(.ambiguous(.tooLarge)))
        let wide = "HTTP/1.1 200 OK\r\nX: " + String(repeating: "v", count: 100_000) + "\r\n\r\n"
        #expect(try await outcome(.write(wide)) == .failure(.ambiguous(.tooLarge)))
        let flood = String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 60_000)
        #expect(try await outcome(.write(flood)) == .failure(.ambiguous(.tooLarge)))
    }

    @Test func `nothing of the request is in what is thrown`() async throws {
        let secret = "planted-refresh-token"
        let echo = "HTTP/1.1 200 OK\r\nBad Name: \(secret)\r\n\r\n"
        try await RawServer.with(script: { _ in [.write(echo), .close] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                var bad = ProviderRequest.refresh(server.port, body: secret)
                bad.headers.append(("x", SecretBytes(copying: secret + "\r\n")))
                let requests = [bad, .refresh(server.port, body: secret), .refresh(1, body: secret)]
                for request in requests {
                    let outcome = await transport.outcome(request)
                    #expect(!"\(outcome) \(String(reflecting: outcome))".contains(secret))
                    #expect(!String(reflecting: request).contains(secret))
                }
            }
        }
    }
}
