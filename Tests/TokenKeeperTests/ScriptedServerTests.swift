import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting

@Suite(.bounded) struct `A scripted server on loopback survives its clients` {
    @Test func `a whole life over HTTP: consent, exchange, use, refresh, revocation`() async throws {
        let bench = ScriptedBench()
        try await withScriptedServer(bench.provider) { server in
            let entry = server.entry
            let authorize = try Curl.run(
                (entry.endpoints.authorization ?? "")
                    + "?response_type=code&client_id=scripted-client&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb&scope=read"
                    + "&state=s&code_challenge=7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM&code_challenge_method=S256"
            )
            let match = try #require(
                authorize.head.firstMatch(of: /Location: \S+code=([\w-]+)&state=s&iss=(\S+)/))
            #expect(match.2 == server.url.replacing(":", with: "%3A").replacing("/", with: "%2F"))
            let form = ["--header", "Authorization: " + ScriptedRequest.credentials, "--data"]
            let proof = String(repeating: "v", count: 43)
            let exchange = try Curl.run(
                form + [
                    "grant_type=authorization_code&code=\(match.1)&code_verifier=\(proof)"
                        + "&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb", entry.endpoints.token,
                ]
            ).reply
            let refreshed = try Curl.refresh(server.url, exchange.refresh).reply
            let resource = { (token: String) in
                try Curl.run("--header", "Authorization: Bearer " + token, server.url + "/resource").status
            }
            #expect(try resource(exchange.access) == 200 && resource(refreshed.access) == 200)
            let revoked = try Curl.run(
                form + ["token=" + refreshed.refresh, entry.endpoints.revocation ?? ""])
            #expect(revoked.status == 200)
            #expect(try resource(refreshed.access) == 401)
            #expect(bench.provider.redemptions(of: 0) == [1, 0])
            let discovery = try Curl.run(server.url + "/.well-known/openid-configuration").reply
            #expect(discovery["issuer"] == server.url && discovery["token_endpoint"] == entry.endpoints.token)
        }
    }

    @Test func `garbage is refused and harms nobody`() async throws {
        let bench = ScriptedBench()
        try await withScriptedServer(bench.provider) { server in
            let port = server.url.split(separator: ":").last.map(String.init) ?? ""
            let garbage: [[UInt8]] =
                [
                    "\r\n\r\n", "GET", "GET / HTTP/9.9\r\n\r\n",
                    "POST /token HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                    "POST /token HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz",
                    "GET http://[::1/ HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                    "GET / HTTP/1.1\r\nA: " + String(repeating: "a", count: 200_000) + "\r\n\r\n",
                    "GET /%00%zz?%%%=& HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n",
                ].map { Array($0.utf8) }
                + (1...20).map { Self.noise($0) }
            for bytes in garbage { try Self.throwAt(port, bytes) }
            let large = try Self.file(String(repeating: "x", count: 3_000_000))
            defer { try? FileManager.default.removeItem(atPath: large) }
            let refused = try Curl.run(["--data", "@" + large, server.url + "/token"])
            #expect(refused.status == 413 || [55, Curl.Code.reset].contains(refused.exit))
            #expect(try Curl.run("--request", "BREW", server.url + "/token").status == 400)
            #expect(try Curl.run("--data", "{", server.url + "/token").status == 400)
            #expect(try Curl.run(server.url + "/nothing/here").status == 404)
            let token = bench.provider.grant().refreshToken ?? ""
            #expect(try Curl.refresh(server.url, token).status == 200)
            #expect(bench.provider.redemptions(of: 0) == [1, 0])
        }
    }

    @Test func `hundreds at once are each answered, under a strict policy one wins`() async throws {
        let bench = ScriptedBench(replay: .rejected)
        let token = bench.provider.grant().refreshToken ?? ""
        try await withScriptedServer(bench.provider) { server in
            let urls = (0..<200).map { _ in server.url + "/token" }
            let answer = try Curl.run(
                [
                    "--parallel", "--parallel-max", "50", "--no-progress-meter", "--write-out",
                    "%{http_code}\n",
                    "--header", "Authorization: " + ScriptedRequest.credentials, "--data",
                    "grant_type=refresh_token&refresh_token=" + token,
                ] + urls)
            let whole = answer.head + "\n" + answer.text
            #expect(whole.matches(of: /HTTP\/1.1 200/).count == 1)
            #expect(whole.matches(of: /HTTP\/1.1 400/).count == 199)
        }
        #expect(bench.provider.redemptions(of: 0) == [1, 0] && bench.provider.replays == 199)
    }

    @Test func `after shutdown nobody listens, also where an answer was still to come`() async throws {
        let bench = ScriptedBench(faults: FaultScript([1: .late(.seconds(3600))]))
        let server = try await ScriptedServer.start(bench.provider)
        let token = bench.provider.grant().refreshToken ?? ""
        #expect(try Curl.refresh(server.url, token, "--max-time", "0.3").exit == Curl.Code.timeout)
        try await server.shutdown()
        #expect(try Curl.refresh(server.url, token).exit == Curl.Code.refused)
        #expect(bench.provider.tokenRequests == 1)
    }

    @Test func `a server goes with its body, also where the body throws`() async throws {
        struct Oops: Error {}
        let bench = ScriptedBench()
        var url = ""
        await #expect(throws: Oops.self) {
            try await withScriptedServer(bench.provider) { server in
                url = server.url
                throw Oops()
            }
        }
        #expect(url.hasPrefix("http://127.0.0.1:"))
        #expect(try Curl.run(url + "/token").exit == Curl.Code.refused)
    }

    /// 300 octets that a seed decides.
    private static func noise(_ seed: UInt64) -> [UInt8] {
        (0..<300).map { index in
            UInt8(truncatingIfNeeded: ((seed &* 1000 &+ index) &* 0x9E37_79B9_7F4A_7C15) >> 40)
        }
    }

    /// Sends octets as they are, waits a moment for an answer and goes.
    private static func throwAt(_ port: String, _ bytes: [UInt8]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "bash", "-c",
            "exec 3<>/dev/tcp/127.0.0.1/\(port); cat >&3; read -t 0.2 -N 1 -u 3",
        ]
        process.standardError = FileHandle.nullDevice
        let input = Pipe()
        process.standardInput = input
        try process.run()
        try? input.fileHandleForWriting.write(contentsOf: Data(bytes))
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    private static func file(_ text: String) throws -> String {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("scripted-\(UUID()).txt")
        try Data(text.utf8).write(to: place)
        return place.path
    }
}
