import ProviderHTTP
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `A checkpoint goes to its witness alone, and a bounded answer comes back` {
    /// One post to a server that does `steps` when it has read it.
    private func outcome(
        _ steps: RawServer.Step..., onAccept: [RawServer.Step] = [], within limit: Duration = .seconds(20)
    ) async throws -> Result<WitnessReply, WitnessTransportFailure> {
        try await RawServer.with(onAccept: onAccept, script: { _ in steps }) { server in
            let outcome = await Self.post(
                to: "http://127.0.0.1:\(server.port)/w/add-checkpoint", within: limit)
            #expect(server.requests.count <= 1 && server.connections <= 1)
            return outcome
        }
    }

    private static func post(
        _ body: String = "old 0\n", to url: String, within limit: Duration = .seconds(20),
        _ client: WitnessClient = WitnessClient()
    ) async -> Result<WitnessReply, WitnessTransportFailure> {
        do throws(WitnessTransportFailure) {
            return .success(try await client.post(Array(body.utf8), to: url, within: limit))
        } catch { return .failure(error) }
    }

    private func expect(
        _ failure: WitnessTransportFailure, _ outcome: Result<WitnessReply, WitnessTransportFailure>
    ) {
        guard case .failure(failure) = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test func `the request is a post of exactly what is to be said`() async throws {
        let body = "old 5\nAAAA\n\ntokenvault/x\n7\nroot\n\n— x y\n"
        try await RawServer.with(script: { _ in [.write(Wire.answer("409 Conflict", "7\n")), .close] }) {
            server in
            let reply = try await Self.post(body, to: "http://127.0.0.1:\(server.port)/w/add-checkpoint")
                .get()
            #expect(reply.status == 409 && reply.body == Array("7\n".utf8))
            let request = try #require(server.requests.first)
            #expect(request.head.hasPrefix("POST /w/add-checkpoint HTTP/1.1\r\n") && request.body == body)
            #expect(request.field("authorization") == nil && request.field("cookie") == nil)
        }
    }

    @Test(arguments: ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
    func `a redirect is an answer and not followed`(_ status: String) async throws {
        try await RawServer.with(script: { _ in [.write(Wire.ok("elsewhere"))] }) { elsewhere in
            let location = "Location: http://127.0.0.1:\(elsewhere.port)/add-checkpoint"
            let reply = try await outcome(.write(Wire.answer(status, "", [location])), .close).get()
            #expect(reply.status == Int(status.prefix(3)))
            #expect(elsewhere.connections == 0)
        }
    }

    @Test func `an answer of the greatest size is read, one octet more is not`() async throws {
        let most = String(repeating: "a", count: Limits.witnessReplyBytes)
        #expect(try await outcome(.write(Wire.ok(most))).get().body.count == most.utf8.count)
        expect(.garbled, try await outcome(.write(Wire.ok(most + "a"))))
        expect(
            .garbled, try await outcome(.write("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: most, count: 9)))
        )
        let wide = "HTTP/1.1 200 OK\r\nX: " + String(repeating: "v", count: 100_000) + "\r\n\r\n"
        expect(.garbled, try await outcome(.write(wide)))
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "\0\0\0\0\r\n\r\n",
    ])
    func `what is no HTTP, or cut short, is no answer`(_ text: String) async throws {
        expect(.garbled, try await outcome(.write(text), .close))
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"])
    func `who does not answer to the end in time is not waited for`(_ beginning: String) async throws {
        expect(.hung, try await outcome(.write(beginning), within: .milliseconds(300)))
    }

    @Test func `nobody there, and nobody by that name`() async throws {
        let port = try await RawServer.with(script: { _ in [] }) { $0.port }
        expect(.unreachable, await Self.post(to: "http://127.0.0.1:\(port)/add-checkpoint"))
        expect(.unreachable, await Self.post(to: "https://nobody.invalid/add-checkpoint"))
        expect(.unreachable, try await outcome(.close))
        expect(.unreachable, try await outcome(.reset))
    }

    @Test func `a certificate is verified`() async throws {
        try await Certificates.with { certificates in
            let (file, tls) = try certificates.selfSigned("witness", for: "IP:127.0.0.1")
            try await RawServer.with(tls: tls, script: { _ in [.write(Wire.ok("signed")), .close] }) {
                server in
                let url = "https://127.0.0.1:\(server.port)/add-checkpoint"
                expect(.tls, await Self.post(to: url))
                #expect(server.requests.isEmpty)
                let trusting = WitnessClient(configuration: ConnectionConfiguration(authoritiesFile: file))
                let reply = try await Self.post(to: url, trusting).get()
                #expect(reply.body == Array("signed".utf8))
                expect(
                    .tls,
                    await Self.post(
                        to: url,
                        WitnessClient(configuration: ConnectionConfiguration(authoritiesFile: "/none"))))
            }
            let (other, wrong) = try certificates.selfSigned("other", for: "DNS:example.com,IP:127.0.0.2")
            try await RawServer.with(tls: wrong, script: { _ in [.write(Wire.ok("signed"))] }) { server in
                let trusting = WitnessClient(configuration: ConnectionConfiguration(authoritiesFile: other))
                let url = "https://127.0.0.1:\(server.port)/add-checkpoint"
                expect(.tls, await Self.post(to: url, trusting))
                #expect(server.requests.isEmpty)
            }
        }
    }

    @Test(arguments: [
        "http://witness.example", "http://10.0.0.1/w", "http://127.1/w", "http://localhost.example/w",
        "ftp://127.0.0.1/w",
        "https://user@witness.example", "https://user:secret@witness.example", "http://user@127.0.0.1:80/w",
        "https://witness.example/?x=1", "https://witness.example/#x", "https://", "https:///w",
        "witness.example", "",
        "https://witness.example/a b", "https://witness.example/\r\nHost: x", "https://wítness.example",
        "https://witness.example:0", "https://witness.example:65536", "file:///etc/passwd", "/dev/log",
    ])
    func `no checkpoint is sent to such a URL`(_ url: String) async throws {
        #expect(throws: VaultError(.invalidInput, "")) { try WitnessClient().check(url) }
    }

    @Test(arguments: [
        "https://witness.example", "https://witness.example/w1/", "https://10.0.0.1:8443/w",
        "http://127.0.0.1:7380",
        "http://[::1]:7380/w", "http://localhost:7380",
    ])
    func `https to anywhere, http to this machine`(_ url: String) throws {
        try WitnessClient().check(url)
    }
}
