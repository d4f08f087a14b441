import TestSupport
import Testing
import TokenIssuer
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Sign-in sessions: a cookie that proves who, and ends when it should` {
    private struct Scene {
        let test: TestVault
        let user: User
        let cookie: SecretBytes
        var vault: Vault { test.vault }
    }

    private func scene(lifetime: Duration = .seconds(3600)) async throws -> Scene {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        let cookie = try await test.vault.startSession(
            user: user.id, signedInAt: test.clock.now(), lifetime: lifetime)
        return Scene(test: test, user: user, cookie: cookie)
    }

    @Test func `the cookie names the user and when it signed in`() async throws {
        let scene = try await scene()
        let then = scene.test.clock.now()
        scene.test.clock.advance(by: .seconds(100))
        let session = try #require(try await scene.vault.session(scene.cookie))
        #expect(session.user.id == scene.user.id && session.signedInAt == then)
        #expect(session.id.count == 32)
        #expect(scene.cookie.withExposed { Base64URL.decode($0) } != nil)
    }

    @Test func `it ends with its time`() async throws {
        let scene = try await scene(lifetime: .seconds(60))
        scene.test.clock.advance(by: .seconds(59))
        #expect(try await scene.vault.session(scene.cookie) != nil)
        scene.test.clock.advance(by: .seconds(1))
        #expect(try await scene.vault.session(scene.cookie) == nil)
    }

    @Test func `signing out ends it, in every process, and no other session`() async throws {
        let scene = try await scene()
        let second = try await scene.vault.startSession(
            user: scene.user.id, signedInAt: scene.test.clock.now(), lifetime: .seconds(3600))
        let other = try await scene.test.reopen()
        #expect(try await other.session(scene.cookie) != nil)
        try await scene.vault.endSession(scene.cookie)
        #expect(try await scene.vault.session(scene.cookie) == nil)
        #expect(try await other.session(scene.cookie) == nil)
        #expect(try await other.session(second) != nil)
        try await other.endSession(scene.cookie)
        await other.close()
    }

    @Test func `disabling the user suspends it, revoking everything and a new password end it`() async throws
    {
        let scene = try await scene()
        try await scene.vault.users.disable("alice")
        #expect(try await scene.vault.session(scene.cookie) == nil)
        await #expect(throws: VaultError(.denied, "")) {
            try await scene.vault.startSession(
                user: scene.user.id, signedInAt: scene.test.clock.now(), lifetime: .seconds(1))
        }
        try await scene.vault.users.enable("alice")
        #expect(try await scene.vault.session(scene.cookie) != nil)
        try await scene.vault.users.setPassword(Secret(copying: "a new password"), of: "alice")
        #expect(try await scene.vault.session(scene.cookie) == nil)
        let second = try await scene.vault.startSession(
            user: scene.user.id, signedInAt: scene.test.clock.now(), lifetime: .seconds(3600))
        // Taking the password away and giving it back does not bring the first session back.
        try await scene.vault.users.setPassword(nil, of: "alice")
        try await scene.vault.users.setPassword(Secret(copying: "a new password"), of: "alice")
        #expect(try await scene.vault.session(second) == nil)
        let third = try await scene.vault.startSession(
            user: scene.user.id, signedInAt: scene.test.clock.now(), lifetime: .seconds(3600))
        try await scene.vault.users.revokeGrants(of: "alice")
        #expect(try await scene.vault.session(third) == nil)
        try await scene.vault.users.remove("alice")
        #expect(try await scene.vault.session(third) == nil)
    }

    @Test func `an edited cookie, another vault's, and a value for another purpose are none`() async throws {
        let scene = try await scene()
        let text = scene.cookie.withExposed { $0 }
        for place in stride(from: 0, to: text.count, by: 7) {
            var edited = text
            edited[place] = edited[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(try await scene.vault.session(Secret(edited)) == nil, "\(place)")
        }
        for value in [[], Array("tv_at_x".utf8), Array(text.dropLast()), text + text] {
            #expect(try await scene.vault.session(Secret(value)) == nil)
        }
        let other = try await self.scene()
        #expect(try await scene.vault.session(other.cookie) == nil)
        #expect(scene.vault.unseal(scene.cookie, purpose: "") == nil)
        let lent = try scene.vault.sealed(text, purpose: "session", lifetime: .seconds(60))
        #expect(try await scene.vault.session(lent) == nil)
    }

    @Test(.ofFiles) func `a deleted row is no session, whatever the cookie says`() async throws {
        let scene = try await scene()
        _ = try sqlite(scene.test.path, "DELETE FROM sign_in_sessions")
        #expect(try await scene.vault.session(scene.cookie) == nil)
    }

    @Test(.ofFiles) func `expired ones go a few at a time, without a leaf`() async throws {
        let scene = try await scene(lifetime: .seconds(60))
        for _ in 0..<20 {
            _ = try await scene.vault.startSession(
                user: scene.user.id, signedInAt: scene.test.clock.now(), lifetime: .seconds(60))
        }
        let before = try await scene.vault.auditSize()
        scene.test.clock.advance(by: .seconds(61))
        for _ in 0..<3 {
            _ = try await scene.vault.startSession(
                user: scene.user.id, signedInAt: scene.test.clock.now(), lifetime: .seconds(60))
        }
        #expect(try sqlite(scene.test.path, "SELECT count(*) FROM sign_in_sessions") == "3")
        #expect(try await scene.vault.auditSize() == before)
    }
}

@Suite(.bounded) struct `Values that a browser keeps for us` {
    @Test func `come back for their purpose and in their time, and not otherwise`() async throws {
        let test = try await TestVault()
        let bytes = Array("response_type=code&state=xyz".utf8)
        let value = try test.vault.sealed(bytes, purpose: "authorize", lifetime: .seconds(60))
        #expect(test.vault.unseal(value, purpose: "authorize") == bytes)
        #expect(test.vault.unseal(value, purpose: "csrf") == nil)
        #expect(test.vault.unseal(value, purpose: "authoriz") == nil)
        let text = value.withExposed { $0 }
        #expect(test.vault.unseal(Secret(Array(text.dropLast(2))), purpose: "authorize") == nil)
        #expect(test.vault.unseal(Secret([]), purpose: "authorize") == nil)
        let other = try await test.reopen()
        #expect(other.unseal(value, purpose: "authorize") == bytes)
        await other.close()
        let stranger = try await TestVault()
        #expect(stranger.vault.unseal(value, purpose: "authorize") == nil)
        test.clock.advance(by: .seconds(60))
        #expect(test.vault.unseal(value, purpose: "authorize") == nil)
    }

    @Test func `hold nothing in the clear, are never alike, and are bounded`() async throws {
        let test = try await TestVault()
        let bytes = Array("login_hint=alice".utf8)
        let first = try test.vault.sealed(bytes, purpose: "authorize", lifetime: .seconds(60))
        let second = try test.vault.sealed(bytes, purpose: "authorize", lifetime: .seconds(60))
        #expect(first.withExposed { $0 } != second.withExposed { $0 })
        #expect(throws: VaultError(.invalidInput, "")) {
            try test.vault.sealed(
                [UInt8](repeating: 1, count: Limits.sealedStateBytes), purpose: "x", lifetime: .seconds(1))
        }
        let huge = SecretBytes([UInt8](repeating: UInt8(ascii: "A"), count: 1 << 20))
        #expect(test.vault.unseal(huge, purpose: "authorize") == nil)
    }
}
