import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `P9: a page that was lost is the fault of nobody who asks` {
    private static let pageBytes = 4096
    private let damaged = VaultError(.integrity, "")

    /// Grants over several pages, in a vault that is closed.
    private func scene(grants: Int = 60) async throws -> (
        test: TestVault, party: Party, tokens: [IssuedTokens]
    ) {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var tokens: [IssuedTokens] = []
        for _ in 0..<grants { tokens.append(try await party.begin()) }
        await test.vault.close()
        return (test, party, tokens)
    }

    private func leaves(_ test: TestVault, _ name: String) throws -> [Int] {
        let sql = "SELECT pageno FROM dbstat WHERE name = '\(name)' AND pagetype = 'leaf' ORDER BY pageno"
        return try sqlite(test.path, sql).split(separator: "\n").compactMap { Int($0) }
    }

    /// A write that went to another page.
    private func write(page source: Int, over target: Int, _ test: TestVault) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: test.path))
        defer { try? file.close() }
        try file.seek(toOffset: UInt64((source - 1) * Self.pageBytes))
        let page = try #require(try file.read(upToCount: Self.pageBytes))
        try file.seek(toOffset: UInt64((target - 1) * Self.pageBytes))
        try file.write(contentsOf: page)
    }

    @Test(.ofFiles, arguments: [0, 3, -1])
    func `grants on a page that was written over are refused as damage, others go on`(_ place: Int)
        async throws
    {
        let (test, party, tokens) = try await scene()
        let pages = try leaves(test, "grants")
        try #require(pages.count > 8)
        let target = place < 0 ? pages[pages.count - 1] : pages[place]
        try write(page: target == pages[5] ? pages[6] : pages[5], over: target, test)
        let vault = try await test.reopen()
        var (lost, whole) = (0, 0)
        for pair in tokens {
            let refreshToken = try pair.refreshToken
            do {
                #expect(try await vault.validate(pair.pair.accessToken) != nil)
                #expect(try await vault.inspectRefreshToken(refreshToken) != nil)
                #expect(try await party.refresh(refreshToken, in: vault).issued != nil)
                whole += 1
            } catch {
                lost += 1
                #expect(error as? VaultError == damaged)
                await #expect(throws: damaged) { try await vault.inspectRefreshToken(refreshToken) }
                await #expect(throws: damaged) { try await party.refresh(refreshToken, in: vault) }
                await #expect(throws: damaged) {
                    _ = try await vault.grants.revoke(refreshToken, by: party.client)
                }
            }
        }
        #expect(lost > 0 && whole > 40, "\(lost) lost, \(whole) whole")
        #expect(try await vault.log.verify().isIntact == false)
        await vault.close()
    }

    @Test(.ofFiles) func `a grant that ended and was deleted a week later stays unknown`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let old = try await party.begin()
        let lifetimes = party.client.registration.lifetimes
        test.clock.advance(by: lifetimes.absolute + Limits.expiredGrantRetention + .seconds(2 * 86400))
        _ = try await party.begin()
        try #require(try sqlite(test.path, "SELECT count(*) FROM grants") == "1")
        for _ in 0..<2 {
            #expect(try await party.refresh(old.refreshToken).refusal == .unknownGrant)
            #expect(try await test.vault.validate(old.pair.accessToken) == nil)
            #expect(try await test.vault.inspectRefreshToken(old.refreshToken) == nil)
            #expect(try await test.vault.grants.revoke(old.refreshToken, by: party.client) == false)
        }
    }

    @Test func `an erased user's tokens stay refused`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        _ = try await test.vault.users.erase("alice")
        #expect(try await party.refresh(tokens.refreshToken).refusal == .ownerErased)
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
    }

    @Test(.ofFiles) func `an index that lost a client does not make it unknown`() async throws {
        let (test, party, tokens) = try await scene(grants: 1)
        let (index, other) = try (
            leaves(test, "sqlite_autoindex_owners_1"), leaves(test, "sqlite_autoindex_clients_1")
        )
        // The only page of a small index is its root, which dbstat calls a leaf.
        try write(page: try #require(other.first), over: try #require(index.first), test)
        let vault = try await test.reopen()
        await #expect(throws: damaged) { try await vault.clients.first(identifiedBy: party.client.clientID) }
        #expect(try await party.refresh(tokens[0].refreshToken, in: vault).issued != nil)
        await vault.close()
    }

    @Test func `a client that never was stays unknown`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        #expect(try await test.vault.clients.first(identifiedBy: "nobody") == nil)
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.clients.find(OwnerID(99)) }
        try await test.vault.clients.confirmSecrets(of: party.client.id)
        try await test.vault.clients.remove("app")
        #expect(try await test.vault.clients.first(identifiedBy: party.client.clientID) == nil)
    }

    @Test(.ofFiles) func `an index that lost a client's secrets does not make them wrong`() async throws {
        let (test, party, _) = try await scene(grants: 1)
        let (index, other) = try (leaves(test, "client_secrets_by_client"), leaves(test, "grants_by_expiry"))
        try write(page: try #require(other.first), over: try #require(index.first), test)
        let vault = try await test.reopen()
        let client = try #require(try await vault.clients.first(identifiedBy: party.client.clientID))
        await #expect(throws: damaged) { try await vault.clients.confirmSecrets(of: client.id) }
        await vault.close()
    }

    @Test(.ofFiles) func `users and clients whose rows were lost are not taken for erased ones`() async throws
    {
        let test = try await TestVault()
        // On the first page of owners is the vault's own, without whom nothing is read at all.
        for number in 0..<60 { _ = try await test.vault.users.add("user \(number)") }
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        await test.vault.close()
        let vault = try await test.reopen()
        _ = try sqlite(test.path, "PRAGMA wal_checkpoint(TRUNCATE)")
        let pages = try leaves(test, "owners")
        try #require(pages.count > 2)
        for page in pages.dropFirst() { try write(page: pages[0], over: page, test) }
        // After any change a connection reads pages again.
        try await vault.proveWritePath()
        await #expect(throws: damaged) { try await vault.validate(tokens.pair.accessToken) }
        await #expect(throws: damaged) { try await vault.inspectRefreshToken(tokens.refreshToken) }
        await #expect(throws: damaged) { try await vault.clients.find(party.client.id) }
        await vault.close()
    }

    @Test(.ofFiles)
    func `a token that is newer than the database is refused as damage, whatever it is shown for`()
        async throws
    {
        let (test, party, tokens) = try await scene(grants: 1)
        let copy = test.directory + "/copy"
        try FileManager.default.copyItem(atPath: test.path, toPath: copy)
        let newer = try await test.reopen()
        let moved = try #require(try await party.refresh(tokens[0].refreshToken, in: newer).issued)
        let code = try await newer.authorize(
            Authorization(
                client: party.client.clientID, user: "alice", scope: moved.scope,
                redirectURI: Party.redirectURI)
        ).code
        let late = try #require(try await party.redeem(code, in: newer).issued)
        await newer.close()
        try FileManager.default.removeItem(atPath: test.path)
        try FileManager.default.moveItem(atPath: copy, toPath: test.path)
        let vault = try await test.reopen()
        for pair in [moved, late] {
            guard case .databaseIsBehind = try await party.refresh(pair.refreshToken, in: vault) else {
                Issue.record("not refused as newer")
                continue
            }
            await #expect(throws: damaged) { try await vault.validate(pair.pair.accessToken) }
            await #expect(throws: damaged) { try await vault.inspectRefreshToken(pair.refreshToken) }
        }
        await #expect(throws: damaged) {
            _ = try await vault.grants.revoke(late.refreshToken, by: party.client)
        }
        #expect(await vault.databaseIsBehind() == damaged)
        await vault.close()
    }
}
