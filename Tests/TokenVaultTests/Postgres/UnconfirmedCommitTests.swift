import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded, .withServer)
struct `P9: a commit that no standby confirms is answered within ten seconds` {
    private struct Answer: Sendable {
        let error: VaultError?
        let took: Duration

        init(to ask: () async throws -> Void) async {
            let begun = ContinuousClock.now
            var failure: (any Error)?
            do { try await ask() } catch { failure = error }
            (error, took) = (failure as? VaultError, ContinuousClock.now - begun)
        }
    }

    @Test func `and so is who comes while it waits; the same refresh then gets the same pair`() async throws {
        let cluster = try PostgresCluster()
        defer { cluster.end() }
        let service = try cluster.makeDatabase()
        let keyFile = NSTemporaryDirectory() + "tokenvault-key-" + UUID().uuidString
        defer { unlink(keyFile) }
        try Vault.createKeyFile(at: keyFile)
        let vault = try await Vault.create(
            at: .postgres(service: service), unlockedBy: .keyFile(path: keyFile), isSingle: true)
        let party = try await Party(vault)
        let token = try await party.begin().refreshToken
        try cluster.demandStandby("nobody")
        async let first = Answer { _ = try await party.refresh(token) }
        try await Waiting.pass(.seconds(3))
        async let second = Answer { _ = try await vault.users.add("berta") }
        let answers = await [first, second]
        #expect(answers.map(\.error?.code) == [.outcomeUnknown, .busy])
        #expect(answers.allSatisfy { $0.took < .seconds(12) }, "\(answers.map(\.took))")

        try cluster.demandStandby("")
        let next = try #require(try await party.refresh(token).replayed)
        #expect(try await party.refresh(next.refreshToken).issued != nil)
        let names = try await vault.users.list().map(\.name)
        #expect(names == ["alice"])
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }
}
