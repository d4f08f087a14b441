import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `P2 to P4: rotation over the store` {
    @Test func `a code gives a pair, and each refresh a new one`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var tokens = try await party.begin()
        #expect(tokens.generation == 1)
        for generation in 2...20 {
            let next = try #require(await party.refresh(tokens.refreshToken).issued)
            #expect(next.generation == UInt32(generation))
            #expect(next.text != tokens.text)
            #expect(try await test.vault.validate(next.pair.accessToken) != nil)
            tokens = next
        }
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
    }

    @Test func `a repeated refresh gets the same pair, byte for byte`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        test.clock.advance(by: .seconds(59))
        let again = try #require(await party.refresh(first.refreshToken).replayed)
        #expect(again.text == second.text)
        #expect(again.generation == second.generation)
        #expect(again.expiresIn == second.expiresIn - 59)
    }

    @Test func `a token used again after that revokes its grant`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        test.clock.advance(by: .seconds(61))
        #expect(try await party.refresh(first.refreshToken).refusal == .refreshTokenReused)
        #expect(try await party.refresh(second.refreshToken).refusal == .grantRevoked)
        #expect(try await test.vault.validate(second.pair.accessToken) == nil)
    }
}
