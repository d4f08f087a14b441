import IssuerHTTP
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore

/// What a host's own tests get from `TokenVaultTesting`.
@Suite(.bounded) struct `A token for a test` {
    @Test func `it stands for the user and the scope, in a vault in memory`() async throws {
        let clock = SettableClock()
        let vault = try await Vault.temporary(clock: clock)
        let token = try await vault.testToken(for: "alice", scope: "notes:read notes:write")
        let valid = try #require(try await vault.validate(SecretBytes(copying: token)))
        #expect(valid.scope.text == "notes:read notes:write")
        let owner = valid.owner
        #expect(try await vault.users.find(owner).name == "alice")
        // Another one of the same user, for less.
        let bare = try #require(
            try await vault.validate(SecretBytes(copying: vault.testToken(for: "alice"))))
        #expect(bare.owner == owner && bare.scope.isEmpty && bare.client != valid.client)
        clock.advance(by: .seconds(3600))
        #expect(try await vault.validate(SecretBytes(copying: token)) == nil)
    }

    @Test func `a protected route takes it`() async throws {
        try await TestServer.run { server in
            let token = try await server.vault.testToken(for: "bob", scope: "basic writemeasurements")
            let less = try await server.vault.testToken(for: "bob", scope: "basic")
            try await TestHost.run(server) { host in
                let accepted = try await host.get("/scoped", bearer: token)
                #expect(accepted.text == "basic writemeasurements")
                #expect(try await host.get("/scoped", bearer: less).status == 403)
            }
            _ = try await server.vault.users.disable("bob")
            await #expect(throws: VaultError(.denied, "")) {
                try await server.vault.testToken(for: "bob")
            }
        }
    }

    @Test(arguments: [("alice", "a  b"), ("alice", "\""), ("", "basic")])
    func `what can be no user or scope is refused`(_ user: String, _ scope: String) async throws {
        let vault = try await Vault.temporary()
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await vault.testToken(for: user, scope: scope)
        }
    }
}
