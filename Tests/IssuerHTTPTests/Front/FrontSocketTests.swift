import Foundation
import IssuerHTTP
import TestSupport
import Testing
import TokenVault
import VaultCore

/// The socket of a front takes one plain request of one user of the machine, and closes at anything else.
@Suite(.bounded) struct `The socket of a trusted front` {
    @Test func `another user of the machine gets no answer`() async throws {
        try await Front.run(user: getuid() + 1) { server, front in
            let app = try await server.client()
            let browser = Browser(server)
            let target = try #require(try await browser.authorize(app).frontTarget)
            let head = Front.head(target, cookies: browser.cookies, front.claims("alice"))
            for _ in 0..<3 {
                let wire = try Wire(socket: front.socket)
                // The server may have closed already.
                try? await wire.send(head)
                #expect(try await wire.rest().isEmpty)
            }
            #expect(try await server.vault.users.list().isEmpty)
            #expect(server.log.all.contains { $0.contains("another user") })
        }
    }

    @Test func `a head that two programs could read differently ends the connection`() async throws {
        try await Front.run { server, front in
            let app = try await server.client()
            let browser = Browser(server)
            let target = try #require(try await browser.authorize(app).frontTarget)
            let good = Front.head(target, cookies: browser.cookies, front.claims("alice"))
            let subject = "OIDC_CLAIM_sub: alice\r\n"
            let forged = [
                "Content-Length: 0\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "Upgrade: h2c\r\n",
                "OIDC_CLAIM_sub: mallory\r\n", "oidc_claim_sub: mallory\r\n",
                "OIDC_CLAIM_iss: https://evil.example\r\n",
                "OIDC-CLAIM-sub: mallory\r\n", "OIDC_CLAIM-email: mallory@example.com\r\n",
                "OIDC_CLAIM_email : mallory@example.com\r\n", "OIDC_CLAIM_name: a\r\n b\r\n",
                " OIDC_CLAIM_name: a\r\n", "X: a\nOIDC_CLAIM_name: b\r\n", "X: a\rOIDC_CLAIM_name: b\r\n",
                "X: a\0b\r\n", "X: a\u{1}b\r\n", "X\r\n", ": a\r\n", "Host: b\r\n", "Cookie: a=b\r\n",
            ].map { good.replacing(subject, with: subject + $0) }
            let bent = [
                good.replacing("\r\n", with: "\n"), good.replacing(" HTTP/1.1", with: " HTTP/1.0"),
                good.replacing(" HTTP/1.1", with: ""), good.replacing("GET ", with: "POST "),
                good.replacing("GET ", with: "GET  "), good.replacing("GET ", with: "GET http://localhost"),
                good.replacing("Host: localhost\r\n", with: ""), "\r\n" + good,
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                good + good, good + "x",
                good.replacing(subject, with: "X: \(String(repeating: "a", count: 40000))\r\n"),
            ]
            for head in forged + bent {
                let wire = try Wire(socket: front.socket)
                try? await wire.send(head)
                #expect(try await wire.rest().isEmpty, "\(head.debugDescription)")
            }
            // Not UTF-8.
            let wire = try Wire(socket: front.socket)
            try await wire.send(
                Array(good.dropLast(1).utf8) + Array("OIDC_CLAIM_name: ".utf8) + [0xC3, 0x28, 13, 10, 13, 10])
            #expect(try await wire.rest().isEmpty)
            #expect(try await server.vault.users.list().isEmpty)
            // In pieces, it is the same request.
            let slow = try Wire(socket: front.socket)
            for part in [good.prefix(9), good.dropFirst(9).dropLast(1), good.suffix(1)] {
                try await slow.send(String(part))
            }
            #expect(try await slow.reply().leadsBack)
            #expect(try await server.vault.users.list().count == 1)
        }
    }

    @Test func `half a head is not waited for`() async throws {
        try await Front.run { _, front in
            let wire = try Wire(socket: front.socket)
            try await wire.send("GET /sign-in/front HTTP/1.1\r\nHost: a\r\nX-")
            #expect(try await wire.rest().isEmpty)
        }
    }

    @Test func `another path of the socket has nothing`() async throws {
        try await Front.run { server, front in
            for path in ["/", "/oauth2/authorize", "/health/live", "/sign-in", "/sign-in/front/"] {
                let reply = try await front.send(Browser(server), to: path, front.claims("alice"))
                #expect(reply.status == 404 || reply.status == 400, "\(path)")
            }
        }
    }

    @Test func `what cannot tell users apart, or cannot be bound, is refused before anything is`() throws {
        for (socket, user) in [
            ("/s", UInt32(65534)), ("/s", .max), ("s", 33), ("/" + String(repeating: "a", count: 107), 33),
        ] {
            var configuration = IssuerServerConfiguration()
            configuration.front = TrustedFront(socket: socket, user: user)
            #expect(throws: VaultError.self) { try configuration.check() }
        }
    }

    @Test func `a file that is no socket is not replaced`() async throws {
        let path = NSTemporaryDirectory() + "front-\(UUID().uuidString.prefix(13))"
        try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        await #expect(throws: (any Error).self) {
            try await TestServer.run(configure: { configuration, _ in
                configuration.front = TrustedFront(socket: path, user: getuid())
            }) { _ in }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("precious".utf8))
    }
}
