import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

/// A host with users of its own has one here for each, whatever signs in at once.
@Suite(.bounded) struct `A user is found or added, once` {
    @Test func `forty at once, from two processes and in many spellings, make one`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let before = try await test.vault.auditSize()
        let spellings = ["alice", "Alice", "ALICE", "ａｌｉｃｅ"]
        let found = try await withThrowingTaskGroup(of: OwnerID.self) { group in
            for index in 0..<40 {
                group.addTask {
                    let vault = index % 2 == 0 ? test.vault : other
                    return try await vault.users.findOrAdd(spellings[index % 4]).id
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(found.count == 1)
        let user = try #require(try await test.vault.users.list().first)
        #expect(found == [user.id] && spellings.contains(user.name))
        let added = try await test.vault.log.entries(from: before, limit: 100)
            .filter { $0.operation == "user.add" }
        #expect(added.count == 1)
        await other.close()
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `one that is there is returned as it is, and nothing is written`() async throws {
        let test = try await TestVault()
        let alice = try await test.vault.users.add("Alice")
        try await test.vault.users.disable("alice")
        let before = try await test.vault.auditSize()
        let found = try await test.vault.users.findOrAdd("alice")
        #expect(found.id == alice.id && found.name == "Alice" && found.state == .disabled)
        #expect(try await test.vault.auditSize() == before)
    }

    @Test func `one that was removed is not found again: the name makes another`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        try await test.vault.users.remove("alice")
        let second = try await test.vault.users.findOrAdd("alice")
        #expect(second.id != party.user.id)
        #expect(try await test.vault.grants.list(ofUser: second.id).isEmpty)
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
    }

    @Test(arguments: ["", "ali\u{200B}ce", " alice", "аlice", String(repeating: "a", count: 257)])
    func `a look-alike is neither taken for the user nor added`(_ name: String) async throws {
        let test = try await TestVault()
        _ = try await test.vault.users.add("alice")
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.users.findOrAdd(name)
        }
        #expect(try await test.vault.users.list().count == 1)
    }

    @Test func `a client's name and identifier are no user's`() async throws {
        let test = try await TestVault()
        var registration = ClientRegistration(name: "app")
        registration.grantTypes = [.clientCredentials]
        let app = try await test.vault.clients.add(registration, clientID: "id").client
        for name in ["app", "id"] {
            #expect(try await test.vault.users.findOrAdd(name).id != app.id)
        }
        #expect(try await test.vault.users.list().count == 2)
    }
}
