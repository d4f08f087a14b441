import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `A closed vault answers nothing, wherever it lies` {
    private func expectRefusals(_ vault: Vault, _ party: Party, _ tokens: IssuedTokens) async throws {
        let closed = VaultError(.unavailable, "")
        await #expect(throws: closed) { try await vault.validate(tokens.pair.accessToken) }
        await #expect(throws: closed) { try await vault.users.find("alice") }
        await #expect(throws: closed) { try await vault.users.list() }
        await #expect(throws: closed) { try await vault.log.verify() }
        await #expect(throws: closed) { try await vault.users.add("bob") }
        let refreshToken = try tokens.refreshToken
        await #expect(throws: closed) { try await party.refresh(refreshToken, in: vault) }
    }

    @Test func `checks, lists, long reads and writes are refused`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        await test.vault.close()
        try await expectRefusals(test.vault, party, tokens)
        // A second time does no harm.
        await test.vault.close()
    }

    @Test func `a temporary one refuses the same`() async throws {
        let vault = try await Vault.temporary()
        let party = try await Party(vault)
        let tokens = try await party.begin()
        await vault.close()
        try await expectRefusals(vault, party, tokens)
    }

    @Test func `another one that has it open goes on`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let other = try await test.reopen()
        await test.vault.close()
        try await expectRefusals(test.vault, party, tokens)
        #expect(try await other.validate(tokens.pair.accessToken) != nil)
        #expect(try await party.refresh(tokens.refreshToken, in: other).issued != nil)
        #expect(try await other.log.verify().isIntact)
        await other.close()
        try await expectRefusals(other, party, tokens)
    }
}
