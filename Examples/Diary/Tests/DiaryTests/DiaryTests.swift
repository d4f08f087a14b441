import Hummingbird
import HummingbirdTesting
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting

@testable import Diary

@Suite struct DiaryTests {
    @Test func refreshesInProcess() async throws {
        let vault = try await Vault.temporary()
        let issuer = TokenIssuer(vault: vault)
        var registration = ClientRegistration(name: "Mood tracker")
        registration.redirectURIs = ["https://mood.example/callback"]
        let client = ClientCredentials.authenticated(try await vault.clients.add(registration).client)
        _ = try await vault.users.add("alice")
        let code = try await vault.authorize(
            Authorization(client: "Mood tracker", user: "alice", scope: .empty, redirectURI: nil))
        let tokens = try await issuer.redeem(code.code, for: client)
        let refreshToken = try #require(tokens.refreshToken)
        let fresh = try await issuer.refresh(refreshToken, for: client)
        #expect(try await vault.validate(fresh.accessToken) != nil)
    }

    @Test func readsEntriesWithATokenAlone() async throws {
        let vault = try await Vault.temporary()
        let token = try await vault.testToken(for: "alice", scope: "entries:read")
        let less = try await vault.testToken(for: "alice")
        let application = try await Diary.application(vault, at: "http://127.0.0.1:8080")
        try await application.test(.router) { client in
            let headers: (String) -> HTTPFields = { [.authorization: "Bearer \($0)"] }
            try await client.execute(uri: "/api/entries", method: .get, headers: headers(token)) {
                #expect(String(buffer: $0.body) == "Dear diary, I am alice.\n")
            }
            try await client.execute(uri: "/api/entries", method: .get, headers: headers(less)) {
                #expect($0.status == .forbidden)
            }
            try await client.execute(uri: "/api/entries", method: .get) {
                #expect($0.status == .unauthorized)
            }
        }
    }
}
