import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `The log leads from each entry to the one before of the same row and the same owner` {
    private func leaf(_ vault: Vault, _ index: Int64) async throws -> String {
        String(
            decoding: try #require(try await vault.log.leaves(from: index, limit: 1).first?.leaf),
            as: UTF8.self)
    }

    @Test(.ofFiles) func `a row's entries, from the newest to the one that made it`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var tokens = try await party.begin()
        for _ in 0..<3 { tokens = try #require(await party.refresh(tokens.refreshToken).issued) }
        try await test.vault.grants.revoke(tokens.grant)
        var index: Int64? = Int64(try sqlite(test.path, "SELECT leaf FROM grants WHERE id = \(tokens.grant)"))
        var verbs: [String] = []
        while let at = index {
            verbs.append(try await test.vault.log.entry(at).entry.operation)
            let row = try #require(
                try await leaf(test.vault, at).firstMatch(of: /\[6,1,"[0-9a-f]{64}"(,(\d+))?\]/))
            index = row.2.flatMap { Int64($0) }
        }
        #expect(
            verbs == [
                "grant.revoke", "token.refresh", "token.refresh", "token.refresh", "token.code",
                "grant.authorize",
            ])
    }

    @Test(.ofFiles) func `an entry that lies about the one before is found`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        _ = try await party.refresh(tokens.refreshToken)
        let last = try await test.vault.auditSize() - 1
        try await test.rewrite(last) { $0.replacing("\",\(last - 1)]", with: "\",\(last - 2)]") }
        #expect(
            try await test.problems(last).contains { $0.contains("lies about the entry that named grants 1") }
        )
        try await test.rewrite(last) { $0.replacing("\",\(last - 2)]", with: "\"]") }
        #expect(try await test.problems(last).contains { $0.contains("it is entry \(last - 1)") })
    }

    @Test(.ofFiles)
    func `grants, consents and connections of an owner are numbered from one, each with the one before`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await Party(test.vault, "other", user: "bob")
        _ = try await party.authorize()
        _ = try await other.authorize()
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try #require(ScopeSet(parsing: "basic")))
        _ = try await test.connect(party.user)
        _ = try await party.authorize()
        let members = try await test.vault.log.leaves(limit: 1000).compactMap { index, leaf in
            String(decoding: leaf, as: UTF8.self).firstMatch(of: /"seq":\[([0-9,]+)\]/).map {
                (index, String($0.1))
            }
        }
        try #require(members.count == 5)
        let at = members.map(\.0)
        #expect(members.map(\.1) == ["1", "1", "2,\(at[0])", "3,\(at[2])", "4,\(at[3])"])
        #expect(
            try sqlite(
                test.path, "SELECT creations, last_creation FROM owners WHERE id = \(party.user.id.rawValue)")
                == "4|\(at[4])")
        // A consent that grows is no new one, and an exchange none either.
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id,
            scope: try #require(ScopeSet(parsing: "readmeasurements"))
        )
        _ = try await party.begin()
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        var pace = PassPace()
        try await test.vault.compareRows(&pace) { _ in }
        #expect(test.vault.damagedRows == 0)

        try await test.rewrite(at[4]) { $0.replacing("\"seq\":[4,", with: "\"seq\":[5,") }
        #expect(try await test.problems(at[4]).contains { $0.contains("creation of this owner before") })
        try await test.rewrite(at[4]) { $0.replacing("\"seq\":[5,\(at[3])]", with: "\"seq\":[3,\(at[2])]") }
        #expect(try await test.problems(at[4]).contains { $0.contains("creation of this owner before") })
    }

    @Test(.ofFiles) func `an owner's older row would number again from there: it is found before and after`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await party.authorize()
        _ = try sqlite(test.path, "VACUUM INTO '\(test.directory)/old'")
        _ = try await party.authorize()
        let id = party.user.id.rawValue
        // The entry that names the row is the same: only the count is older.
        _ = try sqlite(
            test.path,
            """
            ATTACH '\(test.directory)/old' AS old; PRAGMA foreign_keys = OFF;
            UPDATE main.owners SET (creations, last_creation, row_tag) =
                (SELECT creations, last_creation, row_tag FROM old.owners WHERE id = \(id)) WHERE id = \(id)
            """)
        #expect(try await test.vault.log.verify().places == ["owners \(id)"])
        _ = try await party.authorize()
        let last = try await test.vault.auditSize() - 1
        #expect(try await test.problems(last).contains { $0.contains("creation of this owner before") })
    }
}

@Suite(.bounded) struct `Who acted is kept sealed beside the entry` {
    private static let actor = ActorDetails(
        .person, name: "tokenvault", uid: 1234, loginUID: 1000, claimed: "mallory\"\u{7}")

    private func open(_ test: TestVault) async throws -> Vault {
        var configuration = VaultConfiguration(channel: .command, clock: test.clock)
        configuration.actor = Self.actor
        return try await Vault.open(
            at: test.path, unlockedBy: .keyFile(path: test.keyFile), configuration: configuration)
    }

    @Test(.ofFiles) func `an operator's entries say so, those of clients do not`() async throws {
        let test = try await TestVault()
        await test.vault.close()
        let vault = try await open(test)
        let first = try await vault.auditSize() - 1
        let party = try await Party(vault)
        _ = try await party.begin()
        let entries = try await vault.log.entries(from: first, limit: 100)
        for entry in entries where entry.operation != "token.code" {
            #expect(entry.actorDetails == Self.actor, "\(entry.operation)")
        }
        #expect(entries.first?.operation == "vault.open")
        #expect(entries.last?.operation == "token.code" && entries.last?.actorDetails == nil)
        #expect(Self.actor.claimed == "mallory??")
        let detail = try await vault.log.entry(first + 2)
        #expect(detail.personalData == "alice" && detail.entry.actorDetails == Self.actor)
        let report = try await vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        // Erasing a user leaves what is known of the operator.
        _ = try await vault.users.erase("alice")
        #expect(try await vault.log.entry(first + 2).entry.actorDetails == Self.actor)
        _ = try await vault.keys.rotateDeeply(openedBy: .keyFile(path: test.keyFile))
        #expect(try await vault.log.entry(first + 2).entry.actorDetails == Self.actor)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
        let bytes = try Data(contentsOf: URL(filePath: test.path))
        #expect(bytes.range(of: Data("mallory".utf8)) == nil)
    }

    @Test(
        .ofFiles,
        arguments: [
            "UPDATE audit_personal SET part = 1 WHERE part = 2",
            "UPDATE audit_personal SET part = 3 WHERE part = 2",
            "UPDATE audit_personal SET owner_id = 77 WHERE part = 2",
            "UPDATE audit_personal SET sealed = zeroblob(300) WHERE part = 2",
            "UPDATE audit_personal SET id = id + 1 WHERE part = 2",
            "DELETE FROM audit_personal WHERE part = 2",
        ])
    func `edited, moved or removed, it is named and not shown`(_ sql: String) async throws {
        let test = try await TestVault()
        await test.vault.close()
        let vault = try await open(test)
        _ = try await vault.keys.rotate(.rows)
        let index = try await vault.auditSize() - 1
        #expect(try await vault.log.entry(index).entry.actorDetails == Self.actor)
        _ = try sqlite(test.path, sql + (sql.contains("WHERE") ? " AND id = \(index)" : ""))
        #expect((try? await vault.log.entry(index))?.entry.actorDetails == nil)
        let places = try await vault.log.verify().places
        #expect(places.contains("the actor's data of entry \(index)"), "\(places)")
        await vault.close()
    }

    @Test func `a stranger is anonymous, whatever the operator is called`() async throws {
        let test = try await TestVault()
        #expect(try await test.vault.users.signIn("eve", password: Secret(copying: "guess")) == nil)
        let entry = try await test.vault.log.entry(test.vault.auditSize() - 1).entry
        #expect(entry.operation == "user.sign-in" && entry.actor == "anonymous")
        #expect(try await test.vault.log.entry(0).entry.actor.count == 32)
    }

    @Test func `however long its texts are, it stays small`() throws {
        let long = String(repeating: "ü/", count: 5000)
        let details = ActorDetails(.token, name: long, uid: .max, loginUID: .max, claimed: long)
        #expect(try JSONEncoder().encode(details).count <= 512)
        #expect(details.name.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }
}
