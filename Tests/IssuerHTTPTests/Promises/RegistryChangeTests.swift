import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto

/// What one process changes about a client is law for another at once, though that one has just seen it otherwise.
@Suite(.bounded) struct `Clients that another process changes` {
    @Test func `a secret that was taken back is refused at once, and the new one is taken`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let next = try await server.refresh(tokens.refreshToken, app)
            #expect(next.status == 200)
            let rotated = try await otherProcess(server) {
                try await $0.clients.rotateSecret(of: app.id, overlap: .zero)
            }
            let refused = try await server.refresh(next.refreshToken, app)
            #expect(refused.status == 401)
            let renewed = Party(client: rotated.client, secret: rotated.secret?.text)
            #expect(try await server.refresh(next.refreshToken, renewed).status == 200)
        }
    }

    @Test func `a client that was disabled gets nothing, and works again once it is enabled`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            for (isEnabled, status) in [(false, 401), (true, 200)] {
                _ = try await otherProcess(server) {
                    try await isEnabled ? $0.clients.enable(app.id) : $0.clients.disable(app.id)
                }
                #expect(try await server.refresh(tokens.refreshToken, app).status == status)
                let own = try await server.post(
                    ["grant_type": "client_credentials"], authorization: app.basic)
                #expect(own.status == status)
                #expect(try await server.introspect(tokens.accessToken, app).status == status)
            }
        }
    }

    @Test func `what a client may look at is looked up at once`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let resource = try await server.client("resource") { $0.mayIntrospect = true }
            let token = try await server.tokens(app).accessToken
            for isAllowed in [true, false, true] {
                _ = try await otherProcess(server) {
                    try await $0.clients.change(resource.id) { $0.mayIntrospect = isAllowed }
                }
                for _ in 0..<2 {
                    let reply = try await server.introspect(token, resource)
                    #expect(reply.json["active"] as? Bool == isAllowed)
                }
            }
        }
    }

    @Test func `what a client is refused is what it is not registered for now`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for isAllowed in [false, true, false] {
                _ = try await otherProcess(server) {
                    try await $0.clients.change(app.id) { client in
                        client.grantTypes =
                            [.authorizationCode, .refreshToken] + (isAllowed ? [.clientCredentials] : [])
                    }
                }
                let own = try await server.post(
                    ["grant_type": "client_credentials"], authorization: app.basic)
                #expect(own.status == (isAllowed ? 200 : 400))
            }
        }
    }

    @Test func `changes in between requests cost no request its answer`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            var token = try await server.tokens(app).refreshToken
            for round in 0..<10 {
                _ = try await otherProcess(server) { try await $0.users.add("user-\(round)") }
                let reply = try await server.refresh(token, app)
                #expect(reply.status == 200)
                token = reply.refreshToken
            }
            #expect(try await server.entries("token.refresh").count == 10)
        }
    }

    private func otherProcess<Result: Sendable>(
        _ server: TestServer, _ change: (Vault) async throws -> Result
    ) async throws -> Result {
        let other = try await server.elsewhere(.command)
        do {
            let result = try await change(other)
            await other.close()
            return result
        } catch {
            await other.close()
            throw error
        }
    }
}
