import IssuerHTTP
import TestSupport
import Testing
import TokenVault
import VaultCore

/// Behind a proxy, failures count where the proxy says that they come from.
@Suite(.bounded) struct `The proxy's word for where a request comes from` {
    private typealias Headers = [String]

    private func run(_ body: @Sendable (TestServer, Party) async throws -> Void) async throws {
        var requests = RequestConfiguration()
        requests.trustsForwardedFor = true
        try await TestServer.run(requests: requests) { server in try await body(server, server.client()) }
    }

    /// The status of the last of so many wrong secrets: 401, or 429 once they are throttled.
    private func guess(_ server: TestServer, _ app: Party, _ headers: Headers, times: Int = 1) async throws
        -> Int
    {
        var status = 0
        for _ in 0..<times {
            status = try await server.post(
                body: "grant_type=client_credentials",
                headers: ["Authorization: \(Party.basic(app.id, "wrong"))"] + headers
            ).status
        }
        return status
    }

    private func expect(_ status: Int, _ server: TestServer, _ app: Party, _ headers: Headers) async throws {
        let found = try await guess(server, app, headers)
        #expect(found == status, "\(headers)")
    }

    // As proxies write them; each list names one place, which no other names.
    private static let places: [[Headers]] = [
        [
            ["X-Forwarded-For: 203.0.113.7"], ["X-Forwarded-For: 203.0.113.7:40001"],
            ["X-Forwarded-For: 198.51.100.1, 203.0.113.7:40002"], ["X-Forwarded-For: ::ffff:203.0.113.7"],
            ["X-Forwarded-For: [::ffff:203.0.113.7]:1"], ["x-forwarded-for:  203.0.113.7\t"],
            ["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7"],
            ["Forwarded: for=203.0.113.7"], ["Forwarded: for=\"203.0.113.7:40003\";proto=https;by=10.0.0.1"],
            ["Forwarded: for=198.51.100.1, proto=http ; FOR = 203.0.113.7"],
            ["Forwarded: for=203.0.113.7", "X-Forwarded-For: 203.0.113.7"],
        ],
        [
            ["X-Forwarded-For: 2001:db8:0:1::1"], ["X-Forwarded-For: 2001:db8:0:1:ffff::1"],
            ["X-Forwarded-For: [2001:db8:0:1::2]"], ["X-Forwarded-For: [2001:db8:0:1::3]:50001"],
            ["X-Forwarded-For: 2001:db8:0:1:0:0:0:1:50001"],
            ["Forwarded: for=\"[2001:db8:0:1::4]\""], ["Forwarded: for=\"[2001:db8:0:1::5]:4711\""],
        ],
        [["X-Forwarded-For: 2001:db8:0:2::1"]], [["X-Forwarded-For: 203.0.113.8:40001"]],
    ]

    @Test func `one place is one in every spelling, and another is another`() async throws {
        try await run { server, app in
            for (index, spellings) in Self.places.enumerated() {
                for number in 0..<10 {
                    let spelling = spellings[number % spellings.count]
                    try await expect(401, server, app, spelling)
                }
                for spelling in spellings {
                    try await expect(429, server, app, spelling)
                }
                for other in Self.places[(index + 1)...] {
                    try await expect(401, server, app, other[0])
                }
                // Forgets what was tried at the others.
                _ = try await server.post(
                    body: "grant_type=client_credentials", headers: ["Authorization: \(app.basic)"])
                for other in Self.places {
                    _ = try await server.post(
                        body: "grant_type=client_credentials",
                        headers: ["Authorization: \(app.basic)"] + other[0])
                }
            }
        }
    }

    // What stands before the proxy's own word was written by strangers.
    @Test(
        arguments: [
            { ["X-Forwarded-For: 198.51.100.\($0), 203.0.113.7"] },
            { ["X-Forwarded-For: 198.51.100.\($0)", "X-Forwarded-For: 203.0.113.7"] },
            { ["X-Forwarded-For: \"198.51.100.\($0), 203.0.113.7"] },
            { ["X-Forwarded-For: ,,198.51.100.\($0),,203.0.113.7"] },
            { ["Forwarded: for=198.51.100.\($0), for=203.0.113.7"] },
            { ["Forwarded: for=198.51.100.\($0);x=\"a, for=203.0.113.7"] },
            { ["Forwarded: for=198.51.100.\($0)", "Forwarded: for=203.0.113.7"] },
            // The proxy writes one of the two, and the stranger the other.
            { ["Forwarded: for=198.51.100.\($0)", "X-Forwarded-For: 203.0.113.7"] },
            { ["X-Forwarded-For: 198.51.100.\($0)", "Forwarded: for=203.0.113.7"] },
            { ["X-Forwarded-For: x\($0)", "Forwarded: for=203.0.113.7"] },
            // And what names nobody is the proxy itself.
            { ["X-Forwarded-For: unknown-\($0)"] }, { ["X-Forwarded-For: 1.2.3.\($0):99999"] },
            { ["Forwarded: for=_hidden\($0)"] }, { ["Forwarded: for=[1.2.3.\($0)"] }, { ["Via: \($0)"] },
        ] as [@Sendable (Int) -> [String]])
    func `a guesser gets away by no header of its own`(_ headers: @Sendable (Int) -> [String]) async throws {
        try await run { server, app in
            for number in 1...10 { try await expect(401, server, app, headers(number)) }
            try await expect(429, server, app, headers(11))
        }
    }

    @Test func `a header that names no client is told to the operator, once`() async throws {
        try await run { server, app in
            for headers in [[], ["X-Forwarded-For: unknown"], ["Forwarded: secret"], []] {
                _ = try await guess(server, app, headers)
            }
            #expect(server.log.all.count { $0.contains("trusted-proxy is set") } == 1)
            #expect(!server.log.all.contains { $0.contains("same client") })
            for _ in 0..<2 {
                _ = try await guess(
                    server, app, ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.8"])
            }
            #expect(server.log.all.count { $0.contains("do not name the same client") } == 1)
        }
        try await TestServer.run { server in
            _ = try await guess(server, server.client(), ["X-Forwarded-For: unknown"])
            #expect(!server.log.all.contains { $0.contains("X-Forwarded-For") })
        }
    }

    @Test func `users without an address are not slowed by another's failures, and guesses at one are`()
        async throws
    {
        try await run { server, _ in
            for name in ["alice", "bob"] { _ = try await server.user(name, hasPassword: true) }
            let browser = Browser(server)
            let page = try await browser.get("/sign-in")
            for _ in 0..<10 { _ = try await browser.signIn(page, password: "wrong password") }
            let own = try await browser.signIn(page)
            #expect(own.status == 429)
            let other = try await browser.signIn(page, as: "bob")
            #expect(other.status == 303)
        }
    }
}
