import Foundation
import Testing
import TokenVault
import VaultAudit
import VaultCore

/// A client as a test plays it.
struct Party: Sendable {
    static let redirectURI = "https://app.example/callback"
    let client: Client
    /// Nil: a public client.
    let secret: String?

    var id: String { client.clientID }
    var basic: String { Party.basic(id, secret ?? "") }

    static func basic(_ id: String, _ secret: String) -> String {
        "Basic " + Data("\(id):\(secret)".utf8).base64EncodedString()
    }
}

typealias Form = KeyValuePairs<String, String>

extension TestServer {
    func client(
        _ name: String = "app", scope: String = "basic readmeasurements",
        grants: [GrantType] = GrantType.allCases, _ change: (inout ClientRegistration) -> Void = { _ in }
    ) async throws -> Party {
        var registration = ClientRegistration(name: name)
        registration.redirectURIs = [Party.redirectURI]
        registration.scope = try #require(ScopeSet(parsing: scope))
        registration.grantTypes = grants
        change(&registration)
        let new = try await vault.clients.add(registration)
        return Party(client: new.client, secret: new.secret.map(\.text))
    }

    func publicClient(_ name: String = "phone") async throws -> Party {
        try await client(name, grants: [.authorizationCode, .refreshToken]) {
            $0.authenticationMethods = [.none]
        }
    }

    /// Lets a user consent; the user is made when new.
    func code(
        _ party: Party, user: String = "alice", scope: String = "basic readmeasurements",
        redirectURI: String? = Party.redirectURI, challenge: String? = nil
    ) async throws -> String {
        do { _ = try await vault.users.find(user) } catch { _ = try await vault.users.add(user) }
        return try await vault.authorize(
            Authorization(
                client: party.id, user: user, scope: try #require(ScopeSet(parsing: scope)),
                redirectURI: redirectURI, codeChallenge: challenge)
        ).code.text
    }

    /// A pair of tokens, fresh from a code.
    func tokens(_ party: Party, user: String = "alice", scope: String = "basic readmeasurements") async throws
        -> Reply
    {
        let code = try await code(party, user: user, scope: scope)
        let reply = try await redeem(code, party)
        #expect(reply.status == 200, "\(reply.text)")
        return reply
    }

    func redeem(_ code: String, _ party: Party, redirectURI: String = Party.redirectURI) async throws -> Reply
    {
        try await post(
            ["grant_type": "authorization_code", "code": code, "redirect_uri": redirectURI],
            authorization: party.basic)
    }

    func refresh(_ token: String?, _ party: Party, scope: String? = nil) async throws -> Reply {
        let token = try #require(token)
        guard let scope else {
            return try await post(
                ["grant_type": "refresh_token", "refresh_token": token], authorization: party.basic)
        }
        return try await post(
            ["grant_type": "refresh_token", "refresh_token": token, "scope": scope],
            authorization: party.basic)
    }

    func post(_ form: Form, authorization: String? = nil, path: String = "/oauth2/token") async throws
        -> Reply
    {
        try await post(
            body: form.map { "\(Self.encode($0))=\(Self.encode($1))" }.joined(separator: "&"),
            headers: authorization.map { ["Authorization: \($0)"] } ?? [], path: path)
    }

    func post(
        body: String, type: String? = "application/x-www-form-urlencoded", headers: [String] = [],
        path: String = "/oauth2/token"
    ) async throws -> Reply {
        let wire = try Wire(port: port)
        try await wire.send(Self.request(body: Array(body.utf8), type: type, headers: headers, path: path))
        return try await wire.reply()
    }

    static func request(
        body: [UInt8], type: String? = "application/x-www-form-urlencoded", headers: [String] = [],
        path: String = "/oauth2/token"
    ) -> [UInt8] {
        var lines = ["POST \(path) HTTP/1.1", "Host: issuer.example", "Content-Length: \(body.count)"]
        if let type { lines.append("Content-Type: \(type)") }
        return Array(((lines + headers).joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    /// Percent-encodes everything but what may always stand.
    static func encode(_ text: String) -> String {
        text.addingPercentEncoding(
            withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._~"))) ?? ""
    }

    /// What a bearer check of the vault says.
    func isGood(_ accessToken: String?) async throws -> Bool {
        try await vault.validate(SecretBytes(copying: try #require(accessToken))) != nil
    }

    /// The last entries of the log.
    func entries(_ operation: String) async throws -> [AuditEntry] {
        try await vault.log.entries(limit: 1_000_000).filter { $0.operation == operation }
    }
}

extension Secret where Value == [UInt8] {
    /// A test is the one reader that may see it.
    var text: String { withExposed { String(decoding: $0, as: UTF8.self) } }
}
