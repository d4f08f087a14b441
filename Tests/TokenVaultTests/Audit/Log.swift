import Foundation
import Testing
import TokenVault
import VaultAudit
import VaultCore

/// A vault with one grant that lives and a log of so many entries more, and how outsiders see it.
struct Log: Sendable {
    let test: TestVault
    let party: Party
    let tokens: IssuedTokens
    var vault: Vault { test.vault }
    var vkey: String { test.vault.log.verifierKey }

    init(entries: Int) async throws {
        test = try await TestVault()
        party = try await Party(test.vault)
        tokens = try await party.begin()
        try await grow(entries)
    }

    /// Codes that nobody redeems: an entry and a row each.
    func grow(_ entries: Int) async throws {
        let before = try await vault.auditSize()
        while try await vault.auditSize() < before + Int64(entries) { _ = try await party.authorize() }
    }

    func checkpoint() async throws -> String { try await vault.log.checkpoint() }

    func proof(of index: Int64, size: Int64? = nil) async throws -> [UInt8] {
        Array(try await vault.log.proof(of: index, checkpointSize: size).text.utf8)
    }
}

extension AuditReport {
    var places: [String] { findings.map(\.place) }
}
