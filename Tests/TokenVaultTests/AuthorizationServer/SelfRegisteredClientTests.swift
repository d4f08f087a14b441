import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore
import VaultCustody

/// Clients that registered themselves, once a user allowed them: rows as others are.
@Suite(.bounded) struct `A client that registered itself is kept when a user allows it` {
    private func client(_ id: String = "tv_ci_one", scope: String = "basic") -> Client {
        var registration = ClientRegistration(name: "An editor")
        registration.authenticationMethods = [.none]
        registration.redirectURIs = ["http://localhost/cb"]
        registration.allowNativeRedirects()
        registration.scope = ScopeSet(parsing: scope) ?? .empty
        return Client(
            registration, clientID: id, registeredAt: VaultInstant(millisecondsSince1970: 0))
    }

    private func keep(_ client: Client, _ vault: Vault, _ user: User) async throws -> Client? {
        try await vault.clients.keep(client, allowedBy: user.id, through: .http, requestID: nil)
    }

    @Test func `once, however many users and processes do so at the same time`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let users = [try await test.vault.users.add("alice"), try await test.vault.users.add("bob")]
        let client = client()
        let ids = try await withThrowingTaskGroup(of: OwnerID?.self) { group in
            for index in 0..<32 {
                group.addTask {
                    try await keep(client, index % 3 == 0 ? other : test.vault, users[index % 2])?.id
                }
            }
            return try await group.reduce(into: Set<OwnerID?>()) { $0.insert($1) }
        }
        #expect(ids.count == 1 && !ids.contains(nil))
        for vault in [test.vault, other] {
            #expect(try await vault.clients.list().map(\.clientID) == [client.clientID])
            let kept = try #require(await vault.clients.first(identifiedBy: client.clientID))
            #expect(
                kept.isSelfRegistered && kept.registration.redirectURIs == client.registration.redirectURIs)
        }
        #expect(try await test.vault.log.verify().isIntact)
        await other.close()
    }

    @Test func `a hundred for a user, and not one more where many come at once`() async throws {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        let kept = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<Limits.selfRegisteredClients + 15 {
                group.addTask { try await keep(client("tv_ci_\(index)"), test.vault, user) != nil }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(kept == Limits.selfRegisteredClients)
        #expect(try await test.vault.clients.list().count == kept)
        #expect(try await test.vault.consents.list(ofUser: user.id).count == kept)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `with the scope it may have now, and never with less than it has`() async throws {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        #expect(try await keep(client(), test.vault, user)?.registration.scope.text == "basic")
        let size = try await test.vault.auditSize()
        #expect(
            try await keep(client(scope: "basic more"), test.vault, user)?.registration.scope.text
                == "basic more")
        #expect(try await test.vault.auditSize() == size + 2)
        #expect(try await keep(client(), test.vault, user)?.registration.scope.text == "basic more")
        #expect(try await test.vault.auditSize() == size + 2)
    }

    @Test func `not for a user or a client that was switched off, nor over one of an operator`() async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let user = try await test.vault.users.add("bob")
        _ = try await keep(client(), test.vault, user)
        try await test.vault.clients.disable("tv_ci_one")
        await #expect(throws: VaultError(.denied, "")) { try await keep(client(), test.vault, user) }
        await #expect(throws: VaultError(.denied, "")) {
            try await keep(client(party.client.clientID), test.vault, user)
        }
        try await test.vault.users.disable("bob")
        await #expect(throws: VaultError(.denied, "")) {
            try await keep(client("tv_ci_two"), test.vault, user)
        }
        #expect(try await test.vault.clients.list().count == 2)
        #expect(try await test.vault.clients.registeredScopes() == ["basic", "readmeasurements"])
    }

    @Test(.ofFiles) func `it goes through rotations of keys, a backup and a restore`() async throws {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        let kept = try #require(await keep(client(), test.vault, user))
        try await test.vault.consents.remember(
            ofUser: user.id, toClient: kept.id, scope: kept.registration.scope)
        _ = try await test.vault.keys.rotateRoot()
        let copy = try await test.backUp()
        _ = try await test.restore(copy, newest: .vault(path: test.path)).apply()
        let restored = try await test.open()
        let found = try #require(await restored.clients.first(identifiedBy: "tv_ci_one"))
        #expect(found.isSelfRegistered && found.registration == kept.registration)
        #expect(try await restored.log.verify().isIntact)
        #expect(await restored.examine().allSatisfy { $0.code == nil })
        await restored.close()
        await test.vault.close()
    }
}
