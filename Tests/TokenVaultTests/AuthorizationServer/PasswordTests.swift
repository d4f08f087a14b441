import Foundation
import Synchronization
import TestSupport
import Testing
import TokenIssuer
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Passwords: right or not, at one price` {
    private let password = SecretBytes(copying: "correct horse battery")

    private func scene() async throws -> (TestVault, User) {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        try await test.vault.users.setPassword(password, of: "alice")
        return (test, user)
    }

    private func lastReason(_ test: TestVault) async throws -> String? {
        let entry = try #require(
            try await test.vault.log.entries(from: test.vault.auditSize() - 1, limit: 1).first)
        #expect(entry.operation == "user.sign-in" && entry.outcome == "refused")
        return entry.reason
    }

    @Test func `the right one signs in, and the log says so`() async throws {
        let (test, user) = try await scene()
        #expect(try await test.vault.users.hasPassword(user.id))
        let signedIn = try #require(
            await test.vault.users.signIn("alice", password: password, requestID: "r1"))
        #expect(signedIn.id == user.id && signedIn.name == "alice")
        let entry = try #require(
            try await test.vault.log.entries(from: test.vault.auditSize() - 1, limit: 1).first)
        #expect(entry.operation == "user.sign-in" && entry.outcome == "ok" && entry.requestID == "r1")
    }

    @Test func `everything else is refused, each for its reason in the log alone`() async throws {
        let (test, _) = try await scene()
        _ = try await test.vault.users.add("bob")
        let wrong = SecretBytes(copying: "correct horse batterz")
        #expect(try await test.vault.users.signIn("alice", password: wrong) == nil)
        #expect(try await lastReason(test) == "wrong_password")
        #expect(try await test.vault.users.signIn("alicf", password: password) == nil)
        #expect(try await lastReason(test) == "unknown_user")
        #expect(try await test.vault.users.signIn("bob", password: password) == nil)
        #expect(try await lastReason(test) == "no_password")
        try await test.vault.users.disable("alice")
        #expect(try await test.vault.users.signIn("alice", password: password) == nil)
        #expect(try await lastReason(test) == "user_disabled")
        try await test.vault.users.enable("alice")
        try await test.vault.users.setPassword(nil, of: "alice")
        #expect(try await test.vault.users.signIn("alice", password: password) == nil)
        #expect(try await lastReason(test) == "no_password")
        try await test.vault.users.remove("alice")
        #expect(try await test.vault.users.signIn("alice", password: password) == nil)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test(arguments: [0, 7, 1025])
    func `a password of another length is not taken`(_ count: Int) async throws {
        let test = try await TestVault()
        _ = try await test.vault.users.add("alice")
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.users.setPassword(
                Secret([UInt8](repeating: UInt8(ascii: "a"), count: count)), of: "alice")
        }
    }

    @Test func `one that was set composed is right decomposed, and the other way round`() async throws {
        let (test, user) = try await scene()
        let composed = "Größe-žluťoučký-パスワード"
        let decomposed = composed.decomposedStringWithCanonicalMapping
        for (kept, typed) in [(composed, decomposed), (decomposed, composed)] {
            try await test.vault.users.setPassword(SecretBytes(copying: kept), of: "alice")
            #expect(
                try await test.vault.users.signIn("alice", password: SecretBytes(copying: typed))?.id
                    == user.id)
        }
    }

    @Test(arguments: ["ééé", "correct\thorse", "correct\u{0}horse", "correct \u{378}horse"])
    func `lengths count once it is composed, and no refusal repeats it`(_ text: String) async throws {
        let (test, _) = try await scene()
        let password = SecretBytes(copying: text.decomposedStringWithCanonicalMapping)
        do {
            try await test.vault.users.setPassword(password, of: "alice")
            Issue.record("taken")
        } catch let error as VaultError {
            #expect(error.code == .invalidInput)
            #expect(!error.message.contains("horse") && !error.message.contains("é"))
        }
        #expect(try await test.vault.users.signIn("alice", password: password) == nil)
        #expect(try await lastReason(test) == "wrong_password")
    }

    @Test func `a new password replaces the old one`() async throws {
        let (test, _) = try await scene()
        let other = SecretBytes(copying: "another long secret")
        try await test.vault.users.setPassword(other, of: "alice")
        #expect(try await test.vault.users.signIn("alice", password: password) == nil)
        #expect(try await test.vault.users.signIn("alice", password: other) != nil)
    }

    @Test func `sixty at once wait their turn; more than can wait are told to come back`() async throws {
        let (test, _) = try await scene()
        let places = Limits.passwordHashes + Limits.waitingPasswordHashes
        #expect(places >= 60)
        let start = ContinuousClock.now
        let outcomes = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<places + 20 {
                group.addTask {
                    do {
                        return try await test.vault.users.signIn("nobody", password: self.password) == nil
                    } catch let error as VaultError where error.code == .busy { return false }
                }
            }
            return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        // Whoever comes while a place is free gets in: at least as many as there are places.
        let isSlow = start.duration(to: .now) > Limits.passwordHashWait
        #expect(isSlow || outcomes[true, default: 0] >= places, "\(outcomes)")
        #expect(outcomes[false, default: 0] > 0, "\(outcomes)")
        #expect(try await test.vault.users.signIn("alice", password: password) != nil)
    }

    @Test func `a turn that comes too late is refused, without hashing, and handed on`() async throws {
        let hashing = PasswordHashing(longestWait: .seconds(1))
        final class Seen: Sendable {
            let holders = Atomic<Int>(0)
            let hashed = Atomic<Int>(0)
            let isAsking = Atomic<Bool>(false)
        }
        let seen = Seen()
        let mayEnd = DispatchSemaphore(value: 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<Limits.passwordHashes {
                group.addTask {
                    try await hashing.run {
                        seen.holders.wrappingAdd(1, ordering: .acquiringAndReleasing)
                        mayEnd.wait()
                    }
                }
            }
            let areHeld = try await Waiting.until {
                seen.holders.load(ordering: .acquiring) == Limits.passwordHashes
            }
            #expect(areHeld)
            group.addTask {
                seen.isAsking.store(true, ordering: .releasing)
                await #expect(throws: VaultError(.busy, "")) {
                    try await hashing.run { seen.hashed.wrappingAdd(1, ordering: .acquiringAndReleasing) }
                }
            }
            _ = try await Waiting.until { seen.isAsking.load(ordering: .acquiring) }
            try await Waiting.pass(.milliseconds(1500))
            for _ in 0..<Limits.passwordHashes { mayEnd.signal() }
            try await group.waitForAll()
        }
        #expect(seen.hashed.load(ordering: .acquiring) == 0)
        // Every turn is free again.
        for _ in 0..<Limits.passwordHashes + 1 { #expect(try await hashing.run { true }) }
    }
}
