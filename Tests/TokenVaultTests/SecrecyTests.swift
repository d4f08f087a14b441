import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `P5: nothing secret is readable at rest` {
    @Test(.ofFiles) func `tokens, codes, secrets and names stand nowhere in the files`() async throws {
        let test = try await TestVault()
        let name = "planted-user-name-\(UUID().uuidString)"
        let party = try await Party(test.vault, "planted-client-name", user: name)
        let new = try await test.vault.clients.rotateSecret(of: party.client.clientID, overlap: .seconds(60))
        let secret = try #require(new.secret)
        let code = try await party.authorize()
        var planted = [Array(name.utf8), secret.withExposed { $0 }, code.withExposed { $0 }]
        var tokens = try #require(await party.redeem(code).issued)
        for _ in 0..<30 {
            planted += tokens.text
            tokens = try #require(await party.refresh(tokens.refreshToken).issued)
        }
        planted += tokens.text
        // While the WAL holds everything, and again once it is gone.
        for round in 0..<2 {
            if round == 1 { await test.vault.close() }
            let bytes = try rawBytes(test)
            #expect(bytes.count > 100_000)
            for value in planted {
                #expect(bytes.range(of: Data(value)) == nil)
                // Nor the random part alone, in binary.
                if let binary = Base64URL.decode(value.dropFirst(6)), binary.count > 16 {
                    #expect(bytes.range(of: Data(binary.suffix(32))) == nil)
                }
            }
        }
    }

    @Test func `passwords, private keys, cookies and nonces stand nowhere in the files`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let password = "planted-password-\(UUID().uuidString)"
        let key = "planted-private-key-\(UUID().uuidString)"
        let nonce = "planted-nonce-\(UUID().uuidString)"
        try await test.vault.users.setPassword(Secret(copying: password), of: "alice")
        _ = try await test.vault.users.signIn("alice", password: Secret(copying: password))
        _ = try await test.vault.users.signIn("alice", password: Secret(copying: password + "x"))
        // A password typed into the field for the name.
        _ = try await test.vault.users.signIn(password, password: Secret(copying: "alice and more"))
        try await test.vault.addSigningKey(
            kid: "a", algorithm: .rs256, privateKey: Secret(copying: key), publicJWK: "{}",
            retiringCurrent: .zero)
        var authorization = Authorization(
            client: party.client.id, user: party.user.id, scope: .empty, redirectURI: Party.redirectURI)
        authorization.nonce = nonce
        _ = try await test.vault.authorize(authorization)
        let cookie = try await test.vault.startSession(
            user: party.user.id, signedInAt: test.clock.now(), lifetime: .seconds(60))
        let session = try #require(try await test.vault.session(cookie))
        #expect(!"\(cookie) \(session)".contains(password))
        for round in 0..<2 {
            if round == 1 { await test.vault.close() }
            let bytes = try rawBytes(test)
            for text in [password, key, nonce] { #expect(bytes.range(of: Data(text.utf8)) == nil, "\(text)") }
            #expect(bytes.range(of: Data(cookie.withExposed { $0 })) == nil)
        }
    }

    @Test func `errors and descriptions repeat no name and no token`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let token = String(decoding: try tokens.refreshToken.withExposed { $0 }, as: UTF8.self)
        #expect(!"\(tokens) \(String(reflecting: tokens))".contains(token.suffix(20)))
        var dumped = ""
        dump(tokens, to: &dumped)
        #expect(!dumped.contains(token.suffix(20)))
        let name = "zoe-\(UUID().uuidString)"
        _ = try await test.vault.users.add(name)
        let error = await #expect(throws: VaultError.self) { try await test.vault.users.add(name) }
        #expect(error?.code == .alreadyExists)
        #expect(error?.description.contains(name) == false)
    }

    @Test func `personal data of an entry opens for the operator and is bound to the entry`() async throws {
        let test = try await TestVault()
        _ = try await test.vault.users.add("carol")
        let last = try await test.vault.auditSize() - 1
        let detail = try await test.vault.log.entry(last)
        #expect(detail.entry.operation == "user.add")
        #expect(detail.personalData == "carol")
        #expect(!String(decoding: detail.leaf, as: UTF8.self).contains("carol"))
    }
}
