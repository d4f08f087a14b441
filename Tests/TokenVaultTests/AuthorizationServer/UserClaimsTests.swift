import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore
import VaultCustody

/// E-mail address, names and language of a user: for clients to learn, and for nobody else to read.
@Suite(.bounded) struct `What clients learn of a user is kept sealed` {
    private static let change: @Sendable (inout UserClaims) -> Void = {
        $0.name = "Planted Full Name"
        $0.preferredUsername = "planted-preferred"
        $0.email = "planted-address@example.com"
        $0.isEmailVerified = true
        $0.locale = "pt-BR"
    }

    @Test func `it is set, found by every spelling of the user's name, changed and taken away`() async throws
    {
        let test = try await TestVault()
        let users = test.vault.users
        let alice = try await users.add("alice")
        #expect(try await users.claims(of: alice.id) == UserClaims())
        let set = try await users.setClaims(of: "ALICE", Self.change)
        #expect(set.email == "planted-address@example.com" && set.isEmailVerified && set.locale == "pt-BR")
        #expect(try await users.claims(of: alice.id) == set)
        let again = try await test.reopen()
        #expect(try await again.users.claims(of: alice.id) == set)
        try await again.users.setClaims(of: "alice") {
            $0.email = nil
            $0.isEmailVerified = false
        }
        let left = try await users.claims(of: alice.id)
        #expect(left.email == nil && left.name == set.name)
        try await users.setClaims(of: "alice") { $0 = UserClaims() }
        #expect(try await again.users.claims(of: alice.id) == UserClaims())
        await #expect(throws: VaultError(.notFound, "")) {
            try await users.setClaims(of: "bob", Self.change)
        }
        try await users.remove("alice")
        await #expect(throws: VaultError(.notFound, "")) { try await users.claims(of: alice.id) }
        await again.close()
    }

    @Test func `a change has one entry in the log, which holds nothing of it; no change has none`()
        async throws
    {
        let test = try await TestVault()
        _ = try await test.vault.users.add("alice")
        let before = try await test.vault.auditSize()
        for _ in 0..<2 { try await test.vault.users.setClaims(of: "alice", Self.change) }
        let entries = try await test.vault.log.entries(from: before, limit: 10)
        #expect(entries.map(\.operation) == ["user.change"] && entries.map(\.reason) == ["claims"])
        let leaf = try #require(try await test.vault.log.leaves(from: before, limit: 1).first).leaf
        #expect(!String(decoding: leaf, as: UTF8.self).lowercased().contains("planted"))
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test(.ofFiles) func `it stands nowhere in the files, outlives new keys, and goes with its user`()
        async throws
    {
        let test = try await TestVault()
        let alice = try await test.vault.users.add("alice")
        let set = try await test.vault.users.setClaims(of: "alice", Self.change)
        for text in ["lanted", "pt-BR"] {
            #expect(try rawBytes(test).range(of: Data(text.utf8)) == nil, "\(text)")
        }
        _ = try await test.vault.keys.rotateDeeply(openedBy: test.source)
        #expect(try await test.vault.users.claims(of: alice.id) == set)
        // With the new key too.
        let changed = try await test.vault.users.setClaims(of: "alice") { $0.locale = "de" }
        #expect(try await test.vault.users.claims(of: alice.id) == changed)
        _ = try await test.vault.users.erase("alice")
        let kept = try sqlite(test.path, "SELECT claims IS NULL FROM owners WHERE id = \(alice.id.rawValue)")
        #expect(kept == "1")
        #expect(try await test.vault.log.verify().isIntact)
        await test.vault.close()
    }

    @Test func `what no client could use, or could be misled by, is refused and not repeated`() async throws {
        let test = try await TestVault()
        let alice = try await test.vault.users.add("alice")
        var wrong: [@Sendable (inout UserClaims) -> Void] = [
            { $0.isEmailVerified = true }, { $0.name = "" }, { $0.name = " Zebra" }, { $0.name = "Zebra\n" },
            { $0.name = String(repeating: "z", count: 257) }, { $0.preferredUsername = "Zebra\u{0}" },
        ]
        for email in [
            "zebra", "@zebra.example", "zebra@", "zebra@a@b.example", "zebra @a.example", "zebra@a.example\n",
            "<zebra@a.example>", "zebra\u{202E}@a.example", "zebra@a.example,b@a.example",
            "\"zebra\"@a.example", String(repeating: "z", count: 65) + "@a.example",
            "zebra@" + String(repeating: "z", count: 250),
        ] { wrong.append { $0.email = email } }
        for locale in ["z", "zebra-", "zebrazebr", "1-zebra", "zebra_ZZ", "zebré"] {
            wrong.append { $0.locale = locale }
        }
        for change in wrong {
            let error = await #expect(throws: VaultError(.invalidInput, "")) {
                try await test.vault.users.setClaims(of: "alice", change)
            }
            #expect(error?.message.lowercased().contains("zebra") == false)
        }
        #expect(try await test.vault.users.claims(of: alice.id) == UserClaims())
        for email in ["a@b", "first.last+tag@mail.example", "müller@bücher.example"] {
            let set = try await test.vault.users.setClaims(of: "alice") { $0.email = email }
            #expect(set.email == email)
        }
    }
}
