import ProviderHTTP
import TestSupport
import Testing
import TokenKeeper
import VaultCore

@Suite(.bounded) struct `A request is sent at most once` {
    /// How many requests came with each body.
    private func counts(_ server: RawServer) -> [String: Int] {
        server.requests.reduce(into: [:]) { $0[$1.body, default: 0] += 1 }
    }

    @Test
    func `a server that promises to keep connections, and silently closes half, gets each request once`()
        async throws
    {
        let answer = RawServer.Step.write(Wire.ok("{}", "Connection: keep-alive"))
        try await RawServer.with(script: { $0.connection % 2 == 0 ? [answer, .close] : [answer] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                for number in 0..<200 {
                    #expect(
                        await transport.outcome(.refresh(server.port, body: "\(number)")) == .success(200))
                }
            }
            #expect(server.requests.count == 200)
            #expect(counts(server).values.allSatisfy { $0 == 1 })
            // Kept or not, no connection is used again.
            #expect(server.connections == 200)
        }
    }

    @Test(arguments: [ProviderRequest.Method.get, .post])
    func `a server that reads and hangs up gets each request once, whatever its method`(
        _ method: ProviderRequest.Method
    ) async throws {
        try await RawServer.with(script: { $0.connection % 2 == 0 ? [.close] : [.reset] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                for _ in 0..<100 {
                    let request = ProviderRequest(.refresh, method, "http://127.0.0.1:\(server.port)/")
                    #expect(await transport.outcome(request) == .failure(.ambiguous(.reset)))
                }
            }
            #expect(server.requests.count == 100)
        }
    }

    @Test func `not sent is never said of a request that arrived, however short the time`() async throws {
        try await RawServer.with(script: { _ in [.write(Wire.ok("{}"))] }) { server in
            let notSent = try await AsyncHTTPTransport.withTransport { transport in
                var notSent: Set<String> = []
                for first in stride(from: 0, to: 600, by: 4) {
                    let requests = (first..<first + 4).map { number in
                        ProviderRequest.refresh(
                            server.port, body: "\(number)", timeout: .microseconds(number * 20))
                    }
                    for (number, outcome) in await transport.outcomes(requests).enumerated() {
                        if case .failure(.notSent) = outcome { notSent.insert("\(first + number)") }
                    }
                }
                return notSent
            }
            await server.ended()
            let counts = counts(server)
            #expect(counts.values.allSatisfy { $0 == 1 })
            #expect(notSent.filter { counts[$0] != nil }.isEmpty)
            // Both ends of the race were seen, or the test shows nothing.
            #expect(!counts.isEmpty)
            #expect(!notSent.isEmpty)
        }
    }

    @Test func `a caller that gives up does not take its request back`() async throws {
        try await RawServer.with(script: { _ in [.write(Wire.ok("{}"))] }) { server in
            try await AsyncHTTPTransport.withTransport { transport in
                let requests = (0..<50).map { ProviderRequest.refresh(server.port, body: "\($0)") }
                let outcomes = await transport.outcomes(requests, isCancelled: true)
                #expect(outcomes == Array(repeating: .success(200), count: 50))
            }
            #expect(counts(server).count == 50)
            #expect(server.requests.count == 50)
        }
    }

    @Test func `the end of the transport waits for answers under way and takes nothing new`() async throws {
        try await RawServer.with(script: { _ in [.write(Wire.ok("{}"))] }) { server in
            let transport = try AsyncHTTPTransport()
            async let first = transport.outcome(.refresh(server.port))
            while server.requests.isEmpty { await Task.yield() }
            await transport.shutdown()
            #expect(await first == .success(200))
            #expect(await transport.outcome(.refresh(server.port)) == .failure(.notSent(.shutdown)))
            await transport.shutdown()
            #expect(server.requests.count == 1)
        }
    }
}
