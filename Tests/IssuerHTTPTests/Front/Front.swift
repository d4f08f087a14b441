import Foundation
import IssuerHTTP
import Testing
import TokenVaultTesting
import VaultCore

/// A program in front of the issuer, as a test plays it: it signed a user in, and hands it over at the socket.
struct Front: Sendable {
    static let issuer = "https://idp.example"
    static let path = "/sign-in/front"
    let server: TestServer
    let socket: String

    /// Serves with a front that runs as `user`.
    static func run(
        user: UInt32 = getuid(), _ body: @Sendable (TestServer, Front) async throws -> Void
    ) async throws {
        let socket = NSTemporaryDirectory() + "front-\(UUID().uuidString.prefix(13)).sock"
        defer { unlink(socket) }
        try await TestServer.run(configure: { configuration, _ in
            configuration.front = TrustedFront(socket: socket, user: user)
        }) { server in
            try await body(server, Front(server: server, socket: socket))
        }
    }

    /// The time of the clock, as providers say it.
    var now: Int64 { server.clock.now().secondsSince1970 }

    /// The claims of a user who signs in now; an empty value leaves one out.
    func claims(_ subject: String, _ changes: [String: String] = [:]) -> [String: String] {
        ["iss": Self.issuer, "sub": subject, "auth_time": String(now)].merging(changes) { $1 }
            .filter { !$0.value.isEmpty }
    }

    /// The head of the request that hands over `claims`.
    static func head(_ target: String, cookies: [String: String], _ claims: [String: String]) -> String {
        var lines = ["GET \(target) HTTP/1.1", "Host: localhost", "X-Forwarded-For: 192.0.2.1"]
        if !cookies.isEmpty {
            lines.append("Cookie: " + cookies.map { "\($0)=\($1)" }.sorted().joined(separator: "; "))
        }
        lines += claims.map { "OIDC_CLAIM_\($0): \($1)" }.sorted()
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    /// What the browser gets at `target` from a front that hands over `claims`.
    func send(_ browser: Browser, to target: String, _ claims: [String: String]) async throws -> Reply {
        let wire = try Wire(socket: socket)
        try await wire.send(Self.head(target, cookies: browser.cookies, claims))
        let reply = try await wire.reply()
        // At once, and not because it was idle for five seconds; a 404 does not say so before.
        #expect(try await wire.hasNews(within: 3000))
        #expect(try await wire.rest().isEmpty)
        #expect(reply.header("connection") == "close" || reply.status == 404)
        browser.keepCookies(of: reply)
        return reply
    }

    /// From an application to the answer of the front's path.
    func signIn(
        _ browser: Browser, for app: Party, _ claims: [String: String],
        asking changes: [String: String?] = [:]
    ) async throws -> Reply {
        let sent = try await browser.authorize(app, changes)
        let target = try #require(sent.frontTarget, "\(sent.text)")
        return try await send(browser, to: target, claims)
    }
}

extension Reply {
    /// Where a browser is sent that must sign in; nil for any other answer.
    var frontTarget: String? {
        guard status == 303, let location = header("location"), location.hasPrefix(Front.path + "?") else {
            return nil
        }
        return location
    }
}
