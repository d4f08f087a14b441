import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore
import VaultCustody

@Suite(.bounded) struct `What the operator says of scopes is kept` {
    @Test func `it is added, changed, listed by name and taken back, with an entry each`() async throws {
        let test = try await TestVault()
        let scopes = test.vault.scopes
        #expect(try await scopes.list().isEmpty)
        let before = try await test.vault.auditSize()
        try await scopes.add("notes.write", text: "Change your notes")
        try await scopes.add("notes.read", text: "Read")
        try await scopes.add("notes.read", text: "Read your notes")
        try await scopes.add("notes.read", text: "Read your notes")
        #expect(try await scopes.list().map(\.name) == ["notes.read", "notes.write"])
        #expect(try await scopes.list().map(\.text) == ["Read your notes", "Change your notes"])
        try await scopes.remove("notes.write")
        await #expect(throws: VaultError(.notFound, "")) { try await scopes.remove("notes.write") }
        let entries = try await test.vault.log.entries(from: before, limit: 10)
        #expect(entries.map(\.operation) == Array(repeating: "scope.change", count: 4))
        #expect(entries.map(\.reason) == ["added", "added", "added", "removed"])
        let again = try await test.reopen()
        #expect(try await again.scopes.list().map(\.name) == ["notes.read"])
        try await again.scopes.remove("notes.read")
        #expect(try await scopes.list().isEmpty)
        #expect(try await test.vault.log.verify().isIntact)
        await again.close()
    }

    @Test(.ofFiles) func `it outlives new keys`() async throws {
        let test = try await TestVault()
        try await test.vault.scopes.add("notes.read", text: "Read your notes")
        _ = try await test.vault.keys.rotate(.rows)
        _ = try await test.vault.keys.rotateDeeply(openedBy: test.source)
        #expect(try await test.vault.scopes.list().map(\.text) == ["Read your notes"])
        try await test.vault.scopes.add("notes.write", text: "Change your notes")
        #expect(try await test.vault.log.verify().isIntact)
        #expect(await test.vault.examine().allSatisfy { $0.code == nil })
        await test.vault.close()
    }

    @Test func `what is no scope, no line of text, or too many is refused`() async throws {
        let test = try await TestVault()
        for (name, text) in [
            ("", "x"), ("a b", "x"), ("a\"", "x"), ("é", "x"), (String(repeating: "a", count: 129), "x"),
            ("a", ""), ("a", " x"), ("a", "x\ny"), ("a", "\u{1B}[2J"),
            ("a", String(repeating: "x", count: 257)),
        ] {
            await #expect(throws: VaultError(.invalidInput, "")) {
                try await test.vault.scopes.add(name, text: text)
            }
        }
        for number in 0..<128 {
            try await test.vault.scopes.add("s\(number)", text: String(repeating: "x", count: 256))
        }
        await #expect(throws: VaultError(.denied, "")) { try await test.vault.scopes.add("more", text: "x") }
        try await test.vault.scopes.add("s0", text: "y")
        #expect(try await test.vault.scopes.list().count == 128)
    }
}
