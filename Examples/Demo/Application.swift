import AsyncHTTPClient
import Foundation
import NIOCore
import VaultCore

/// The application in the story: it has a client_id and a secret, and talks to the token endpoint over HTTP.
struct Application: Sendable {
    static let tokenPath = "/oauth2/token"

    let http: HTTPClient
    /// Base URL of the server.
    let url: String
    let secret: SecretBytes

    func exchange(_ code: String) async throws -> Answer {
        try await post([
            "grant_type": "authorization_code", "redirect_uri": Stage.redirectURI, "code": code,
        ])
    }

    func refresh(_ token: String) async throws -> Answer {
        try await post(["grant_type": "refresh_token", "refresh_token": token])
    }

    /// Refreshes on a connection that breaks while the response comes in: it is there, and nobody reads it.
    func loseRefresh(_ token: String) async throws {
        _ = try await send(["grant_type": "refresh_token", "refresh_token": token])
    }

    private func post(_ form: [String: String]) async throws -> Answer {
        let response = try await send(form)
        let body = Data(buffer: try await response.body.collect(upTo: 64 * 1024))
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return Answer(
            status: response.status.code, tokens: try? decoder.decode(Tokens.self, from: body),
            error: (try? decoder.decode([String: String].self, from: body))?["error"])
    }

    private func send(_ form: [String: String]) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url + Self.tokenPath)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        request.setBasicAuth(
            username: Stage.clientID, password: secret.withExposed { String(decoding: $0, as: UTF8.self) })
        var parts = URLComponents()
        parts.queryItems = form.map { URLQueryItem(name: $0.key, value: $0.value) }
        request.body = .bytes(ByteBuffer(string: parts.percentEncodedQuery ?? ""))
        return try await http.execute(request, timeout: .seconds(60))
    }
}

/// What the token endpoint answered (RFC 6749 sections 5.1 and 5.2).
struct Answer: Sendable {
    let status: UInt
    let tokens: Tokens?
    /// `invalid_grant` and its kind; nil when tokens were given.
    let error: String?

    /// The pair, or the reason why the story cannot go on.
    func pair() throws -> Tokens {
        guard status == 200, let tokens else {
            throw DemoFailure(description: "The server answered \(status) \(error ?? "") instead of tokens.")
        }
        return tokens
    }
}

/// A token pair in the application's hands.
struct Tokens: Sendable, Decodable, Equatable {
    let accessToken, refreshToken: String
}

extension String {
    /// Enough of a token to tell it from others, too little to use it.
    var glimpse: String { prefix(11) + "…" }
}
