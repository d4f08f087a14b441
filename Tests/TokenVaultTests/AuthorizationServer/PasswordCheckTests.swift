import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// A host with a sign-in page of its own asks here whether a password is right.
@Suite(.bounded) struct `A password is checked for a host as the bundled page checks it` {
    private static let password = SecretBytes(copying: "correct horse battery")
    private static let wrong = SecretBytes(copying: "correct horse batterz")
    private static let home = "203.0.113.7"

    private func scene() async throws -> TestVault {
        let test = try await TestVault()
        for name in ["Alice", "carol"] {
            _ = try await test.vault.users.add(name)
            try await test.vault.users.setPassword(Self.password, of: name)
        }
        _ = try await test.vault.users.add("bob")
        return test
    }

    /// In one word, so that answers can be compared.
    private func answer(
        _ test: TestVault, _ name: String, _ password: SecretBytes = wrong, from address: String? = home
    ) async throws -> String {
        switch try await test.vault.users.check(password, of: name, from: address, requestID: "r1") {
        case .right(let user): "right: \(user.name)"
        case .wrong: "wrong"
        case .throttled(let wait): "wait \(wait.components.seconds)"
        }
    }

    @Test func `the right one names the user, in any spelling, and the log says who signed in`() async throws
    {
        let test = try await scene()
        #expect(try await answer(test, "ALICE", Self.password) == "right: Alice")
        let entry = try #require(
            try await test.vault.log.entries(from: test.vault.auditSize() - 1, limit: 1).first)
        #expect(entry.operation == "user.sign-in" && entry.outcome == "ok")
        #expect(entry.channel == "library" && entry.requestID == "r1")
    }

    @Test func `no answer tells which users exist, have a password or are disabled`() async throws {
        let test = try await scene()
        try await test.vault.users.disable("carol")
        let guesses = [
            ("alice", Self.wrong), ("bob", Self.password), ("carol", Self.password), ("eve", Self.password),
            ("", Self.password), (String(repeating: "a", count: 100_000), Self.password),
            ("alice", SecretBytes(copying: "")),
            ("alice", SecretBytes([UInt8](repeating: 0x61, count: 1_000_000))),
        ]
        for (name, password) in guesses {
            #expect(try await answer(test, name, password) == "wrong", "\(name.prefix(9))")
        }
        let reasons = try await test.vault.log.entries(limit: 100)
            .filter { $0.operation == "user.sign-in" }.compactMap(\.reason)
        #expect(Set(reasons) == ["wrong_password", "no_password", "user_disabled", "unknown_user"])
    }

    @Test func `guesses wait, at a name that is there and at one that is not alike`() async throws {
        let test = try await scene()
        let spellings = ["alice", "Alice", "ALICE"]
        var answers: [[String]] = [[], []]
        for number in 0..<11 {
            answers[0].append(try await answer(test, spellings[number % 3]))
            answers[1].append(try await answer(test, "eve"))
        }
        #expect(answers[0] == [String](repeating: "wrong", count: 10) + ["wait 1"])
        #expect(answers[0] == answers[1])
        // Not even the right one is compared, while the user goes on working from elsewhere.
        #expect(try await answer(test, "alice", Self.password) == "wait 1")
        #expect(try await answer(test, "alice", Self.password, from: "198.51.100.1") == "right: Alice")
        #expect(try await answer(test, "carol", Self.password) == "right: carol")
        test.clock.advance(by: .seconds(1))
        #expect(try await answer(test, "alice", Self.password) == "right: Alice")
        #expect(try await answer(test, "alice") == "wrong")
    }

    @Test func `of forty guesses at once no more are compared than one after the other`() async throws {
        let test = try await scene()
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<40 { group.addTask { try await self.answer(test, "alice") } }
            return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        // Those that asked at the same moment as the tenth may be compared as well.
        let most = 10 + ProcessInfo.processInfo.activeProcessorCount
        #expect(answers["wrong", default: 0] <= most, "\(answers)")
        #expect(answers.filter { $0.key.hasPrefix("wait") }.values.reduce(0, +) >= 40 - most, "\(answers)")
    }

    @Test func `what is no address is one place, whatever a client writes`() async throws {
        let test = try await scene()
        let unknown = [
            nil, "", "unknown", "203.0.113.7, 198.51.100.1", "1.2.3.4:99999", "[::1", "2001:db8::/64",
        ]
        for number in 0..<10 {
            #expect(try await answer(test, "alice", from: unknown[number % unknown.count]) == "wrong")
        }
        for address in unknown { #expect(try await answer(test, "alice", from: address) == "wait 1") }
        #expect(try await answer(test, "alice", Self.password) == "right: Alice")
    }
}

@Suite(.bounded) struct `Addresses as the throttles count them` {
    @Test(arguments: [
        ("203.0.113.7", "203.0.113.7:443"), ("203.0.113.7", "::ffff:203.0.113.7"),
        ("2001:db8::1", "[2001:db8::1]"), ("2001:db8::1", "[2001:db8::1]:443"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
    ])
    func `one place`(_ one: String, _ other: String) throws {
        let places = [one, other].map { IPAddress($0[...])?.network }
        #expect(places[0] != nil && places[0] == places[1])
    }

    @Test(arguments: [("203.0.113.7", "203.0.113.8"), ("2001:db8::1", "2001:db8:0:1::1")])
    func `two places`(_ one: String, _ other: String) {
        #expect(IPAddress(one[...])?.network != IPAddress(other[...])?.network)
    }

    @Test(arguments: [
        "", "203.0.113", "203.0.113.7.1", "0x7f000001", "203.0.113.7 ", "1.2.3.4:99999", "[::1", "::1]",
        "localhost",
        "_hidden",
    ])
    func `no place`(_ text: String) { #expect(IPAddress(text[...]) == nil) }
}
