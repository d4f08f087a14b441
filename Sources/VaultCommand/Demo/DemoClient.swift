import Foundation
import VaultCore

/// The application in the story: it has a client_id and a secret, and talks to the token endpoint.
struct DemoClient: Sendable {
    static let tokenPath = "/oauth2/token"
    static let redirectURI = "https://app.example/callback"

    private let address: (host: String, port: Int)
    private let authorization: SecretBytes
    private let connection: DemoConnection

    /// - Parameter url: base URL of the server.
    init(_ url: String, clientID: String, secret: SecretBytes) async throws {
        guard let parts = URLComponents(string: url), let host = parts.host, let port = parts.port else {
            throw VaultError(.internalError, "The server's URL \(url) cannot be used.")
        }
        let pair = secret.withExposed { Array("\(clientID):".utf8) + $0 }
        try await self.init((host, port), Secret(copying: Data(pair).base64EncodedString()))
    }

    private init(_ address: (host: String, port: Int), _ authorization: SecretBytes) async throws {
        self.address = address
        self.authorization = authorization
        connection = try await .open(address)
    }

    /// Another instance of the same application, with a connection of its own.
    func twin() async throws -> DemoClient { try await DemoClient(address, authorization) }

    func close() async { await connection.close() }

    func exchange(_ code: SecretBytes) async throws -> DemoAnswer {
        let form = code.withExposed {
            Array(
                "grant_type=authorization_code&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&code=".utf8)
                + $0
        }
        return try await connection.post(Secret(form), to: Self.tokenPath, authorization: authorization)
    }

    func refresh(_ token: SecretBytes) async throws -> DemoAnswer {
        try await connection.post(form(token), to: Self.tokenPath, authorization: authorization)
    }

    /// Refreshes on a connection that breaks before the response arrives.
    func loseRefresh(_ token: SecretBytes) async throws {
        let doomed = try await DemoConnection.open(address)
        try await doomed.postAndHangUp(form(token), to: Self.tokenPath, authorization: authorization)
    }

    private func form(_ token: SecretBytes) -> SecretBytes {
        Secret(token.withExposed { Array("grant_type=refresh_token&refresh_token=".utf8) + $0 })
    }
}
