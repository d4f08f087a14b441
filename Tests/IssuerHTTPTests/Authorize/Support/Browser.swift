import Foundation
import IssuerHTTP
import Synchronization
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// A browser as far as these tests need one: it keeps cookies, and follows a redirect when told to.
final class Browser: Sendable {
    let server: TestServer
    private let jar = Mutex<[String: String]>([:])

    init(_ server: TestServer) { self.server = server }

    var cookies: [String: String] { jar.withLock { $0 } }

    /// The name of the cookie that says who is signed in.
    var sessionCookie: String {
        (server.issuer.hasPrefix("https:") ? "__Host-" : "") + "tokenvault-"
            + SHA256.hash(Array(server.issuer.utf8)).description.prefix(16)
    }

    /// What that cookie holds.
    var session: String? { cookies[sessionCookie] }

    func setCookie(_ name: String, _ value: String?) { jar.withLock { $0[name] = value } }

    func get(_ path: String, headers: [String] = []) async throws -> Reply {
        try await send("GET", path, headers: headers)
    }

    func post(_ path: String, _ form: Form, headers: [String] = []) async throws -> Reply {
        let body = form.map { "\(TestServer.encode($0))=\(TestServer.encode($1))" }.joined(separator: "&")
        return try await post(path, body: body, headers: headers)
    }

    func post(_ path: String, body: String, headers: [String] = []) async throws -> Reply {
        try await send(
            "POST", path, headers: headers + ["Content-Type: application/x-www-form-urlencoded"],
            body: Array(body.utf8))
    }

    func send(_ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil) async throws
        -> Reply
    {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1:\(server.port)"] + headers
        let cookies = cookies
        if !cookies.isEmpty {
            lines.append("Cookie: " + cookies.map { "\($0)=\($1)" }.sorted().joined(separator: "; "))
        }
        if let body { lines.append("Content-Length: \(body.count)") }
        let wire = try Wire(port: server.port)
        try await wire.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? []))
        let reply = try await wire.reply(toHead: method == "HEAD")
        keepCookies(of: reply)
        return reply
    }

    func keepCookies(of reply: Reply) {
        for field in reply.headers where field.name == "set-cookie" { keep(field.value) }
    }

    private func keep(_ field: String) {
        let parts = field.components(separatedBy: "; ")
        guard let pair = parts.first, let equals = pair.firstIndex(of: "=") else { return }
        let isEnded = parts.contains("Max-Age=0")
        setCookie(String(pair[..<equals]), isEnded ? nil : String(pair[pair.index(after: equals)...]))
    }
}

/// The steps of a user.
extension Browser {
    static let password = "correct horse battery staple"

    /// What a client asks, with `changes` in it; a nil value leaves the parameter out.
    static func query(_ party: Party, _ changes: [String: String?] = [:]) -> String {
        var parameters: [String: String?] = [
            "response_type": "code", "client_id": party.id, "redirect_uri": Party.redirectURI,
            "scope": "basic", "state": "af0ifjsldkj",
        ]
        parameters.merge(changes) { _, new in new }
        return parameters.compactMap { name, value in
            value.map { "\(TestServer.encode(name))=\(TestServer.encode($0))" }
        }.sorted().joined(separator: "&")
    }

    func authorize(_ party: Party, _ changes: [String: String?] = [:], path: String = "/oauth2/authorize")
        async throws -> Reply
    {
        try await get(path + "?" + Self.query(party, changes))
    }

    /// A session without the form: what a sign-in of some time ago left behind.
    @discardableResult
    func haveSession(_ name: String = "alice") async throws -> User {
        let user = try await server.user(name)
        let session = try await server.vault.startSession(
            user: user.id, signedInAt: server.clock.now(), lifetime: .seconds(86400))
        setCookie(sessionCookie, session.text)
        return user
    }

    /// Fills in the sign-in form on `page`.
    func signIn(_ page: Reply, as name: String = "alice", password: String = Browser.password) async throws
        -> Reply
    {
        let form = try #require(page.field("form"), "\(page.text)")
        return try await post("/sign-in", ["form": form, "user": name, "password": password])
    }

    /// Presses a button on the consent page.
    func decide(_ decision: String, _ page: Reply) async throws -> Reply {
        let form = try #require(page.field("form"), "\(page.text)")
        return try await post("/consent", ["form": form, "decision": decision])
    }

    /// Goes where a redirect to this server leads.
    func follow(_ reply: Reply) async throws -> Reply {
        #expect(reply.status == 303)
        return try await get(try #require(reply.header("location")))
    }

    /// From a session to the answer: asks, and allows.
    func allow(_ party: Party, _ changes: [String: String?] = [:]) async throws -> Reply {
        let page = try await authorize(party, changes)
        #expect(page.status == 200, "\(page.text)")
        return try await decide("allow", page)
    }
}

extension TestServer {
    /// Serves under a URL that is not the one it listens at, as behind a proxy.
    static func run(issuer: String?, _ body: @Sendable (TestServer) async throws -> Void) async throws {
        try await run(configure: { configuration, _ in configuration.issuer = issuer }, body)
    }

    /// The user of that name, made when new, with the password of the tests.
    func user(_ name: String = "alice", hasPassword: Bool = false) async throws -> User {
        let user: User
        do { user = try await vault.users.find(name) } catch { user = try await vault.users.add(name) }
        if hasPassword {
            try await vault.users.setPassword(SecretBytes(copying: Browser.password), of: name)
        }
        return user
    }
}

extension Reply {
    /// The value of a hidden field, unescaped.
    func field(_ name: String) -> String? {
        guard let start = text.range(of: "name=\"\(name)\" value=\"") else { return nil }
        return String(text[start.upperBound...].prefix { $0 != "\"" })
    }

    var isPage: Bool { header("content-type") == "text/html; charset=utf-8" }

    /// What a redirect says to the client: query and fragment, decoded.
    var answer: [String: String] {
        guard let location = header("location") else { return [:] }
        let start = location.firstIndex(of: "#") ?? location.firstIndex(of: "?") ?? location.endIndex
        var answer: [String: String] = [:]
        for pair in location[start...].dropFirst().split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            answer[String(parts[0])] = parts.count == 2 ? String(parts[1]).removingPercentEncoding : ""
        }
        return answer
    }

    /// Whether it sends the browser to a new page for the same request.
    var leadsBack: Bool {
        status == 303 && header("location")?.contains("/oauth2/authorize?continue=") == true
    }

    /// Where a redirect leads, without the answer.
    var destination: String? {
        header("location").map { String($0.prefix { $0 != "#" && $0 != "?" }) }
    }
}
