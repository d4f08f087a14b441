import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Consent: remembered once, withdrawn with everything it gave` {
    private func scope(_ text: String) throws -> ScopeSet { try #require(ScopeSet(parsing: text)) }

    @Test func `what was allowed adds up, and is asked for no more`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        #expect(try await test.vault.consents.find(ofUser: party.user.id, toClient: party.client.id) == nil)
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try scope("basic"))
        test.clock.advance(by: .seconds(60))
        let before = try await test.vault.auditSize()
        // Nothing new: nothing to write.
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try scope("basic"))
        #expect(try await test.vault.auditSize() == before)
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try scope("readmeasurements"))
        let consent = try #require(
            try await test.vault.consents.find(ofUser: party.user.id, toClient: party.client.id))
        #expect(consent.scope == (try scope("basic readmeasurements")))
        #expect(consent.grantedAt == test.clock.now())
        let entry = try #require(try await test.vault.log.entries(from: before, limit: 1).first)
        #expect(entry.operation == "consent.grant" && entry.channel == "http")
        #expect(try await test.vault.consents.list().map(\.id) == [consent.id])
    }

    @Test func `withdrawn, it takes 60 grants and codes with it, and no other client's or user's`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await Party(test.vault, "other", user: "bob")
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try scope("basic"))
        var tokens: [IssuedTokens] = []
        for _ in 0..<60 { tokens.append(try await party.begin()) }
        let code = try await party.authorize()
        let bystander = try await other.begin()
        try await test.vault.consents.withdraw(ofUser: party.user.id, fromClient: party.client.id)
        #expect(try await test.vault.consents.find(ofUser: party.user.id, toClient: party.client.id) == nil)
        for issued in tokens { #expect(try await test.vault.validate(issued.pair.accessToken) == nil) }
        #expect(try await party.refresh(tokens[0].refreshToken).refusal == .grantRevoked)
        #expect(try await party.redeem(code).refusal == .grantRevoked)
        #expect(try await test.vault.validate(bystander.pair.accessToken) != nil)
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        // Again is no error, and given again it is a new one.
        try await test.vault.consents.withdraw(ofUser: party.user.id, fromClient: party.client.id)
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try scope("basic"))
        #expect(try await test.vault.consents.list(ofUser: party.user.id).count == 1)
    }

    @Test(arguments: [true, false])
    func `a user or client that is removed leaves none behind`(_ removesUser: Bool) async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        for index in 0..<30 {
            let other = try await Party(test.vault, "app \(index)", user: "user \(index)")
            let (user, client) =
                removesUser ? (party.user.id, other.client.id) : (other.user.id, party.client.id)
            try await test.vault.consents.remember(ofUser: user, toClient: client, scope: try scope("basic"))
        }
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try scope("basic"))
        if removesUser {
            try await test.vault.users.remove(party.user.name)
        } else {
            try await test.vault.clients.remove(party.client.clientID)
        }
        #expect(try await test.vault.consents.list().isEmpty)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `nobody consents for a disabled user or to a disabled client`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try await test.vault.users.disable("alice")
        await #expect(throws: VaultError(.denied, "")) {
            try await test.vault.consents.remember(
                ofUser: party.user.id, toClient: party.client.id, scope: .empty)
        }
        try await test.vault.users.enable("alice")
        try await test.vault.clients.disable(party.client.clientID)
        await #expect(throws: VaultError(.denied, "")) {
            try await test.vault.consents.remember(
                ofUser: party.user.id, toClient: party.client.id, scope: .empty)
        }
    }

    @Test func `withdrawing while codes are redeemed leaves no token alive`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var codes: [SecretBytes] = []
        for _ in 0..<40 { codes.append(try await party.authorize()) }
        let issued = try await withThrowingTaskGroup(of: IssuedTokens?.self) { group in
            for code in codes { group.addTask { try await party.redeem(code).issued } }
            group.addTask {
                try await test.vault.consents.withdraw(ofUser: party.user.id, fromClient: party.client.id)
                return nil
            }
            return try await group.reduce(into: [IssuedTokens]()) { if let tokens = $1 { $0.append(tokens) } }
        }
        for tokens in issued { #expect(try await test.vault.validate(tokens.pair.accessToken) == nil) }
    }
}
