import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A restore brings back what did not move on, and nothing else` {
    @Test(.ofFiles) func `points in time, each restored against the newest log`() async throws {
        let seed = SeededGenerator("RestoreDrillTests").seed
        var drill = try await Drill(seed: seed)
        for _ in 0..<Effort.rounds(8, nightly: 24) {
            for _ in 0..<Int.random(in: 1...12, using: &drill.random) { try await drill.step() }
            try await drill.backUp()
        }
        for _ in 0..<10 { try await drill.step() }
        await drill.test.vault.close()
        var moved = 0
        for index in drill.points.indices {
            moved += try await check(drill, index, "seed \(seed), point \(index)")
        }
        #expect(moved > drill.points.count, "seed \(seed): the drill hardly drilled")
    }

    /// - Returns: how many grants moved on.
    private func check(_ drill: Drill, _ index: Int, _ place: String) async throws -> Int {
        let point = drill.points[index]
        let restore = drill.test.restore(
            point.kept, to: "restored-\(index)", newest: .vault(path: drill.test.path))
        let plan = try await restore.plan()
        #expect(try !drill.test.names().contains("restored-\(index)"), "\(place): a plan leaves nothing")

        let expected = point.grants.values.filter { $0.isLive && drill.grants[$0.id]?.changes != $0.changes }
        #expect(
            plan.moved("grant").map(\.id) == expected.map(\.id.rawValue).sorted(),
            "\(place): exactly those grants")
        let untouched = point.grants.values.filter { grant in
            grant.isLive && !expected.contains { $0.id == grant.id }
        }
        #expect(plan.keptGrants == Int64(untouched.count), "\(place)")
        #expect(
            Set(plan.lost("grant"))
                == Set(drill.grants.keys.filter { point.grants[$0] == nil }.map(\.rawValue)))
        let connections = point.connections.values.filter {
            $0.isLive && drill.connections[$0.id]?.changes != $0.changes
        }
        let movedConnections = plan.moved("connection").map(\.id)
        #expect(
            movedConnections == connections.map(\.id.rawValue).sorted(), "\(place): exactly those connections"
        )
        let removed = point.users.subtracting(drill.users.map(\.name))
        #expect(plan.moved("user", "client").map(\.becomes) == removed.map { _ in .removed }, "\(place)")

        let outcome = try await restore.apply()
        #expect(outcome.logOrigin.hasPrefix("tokenvault/\(drill.test.vault.id)/2-"))
        let vault = try await drill.test.open("restored-\(index)")
        try await checkGrants(expected + lost(drill, point), untouched, drill, vault, place)
        try await checkConnections(point, connections, drill, vault, place)
        for name in removed {
            await #expect(throws: VaultError(.notFound, "")) { try await vault.users.find(name) }
        }
        #expect(try await vault.log.verify().isIntact, "\(place)")
        await vault.close()
        return expected.count
    }

    private func lost(_ drill: Drill, _ point: DrillPoint) -> [DrilledGrant] {
        drill.grants.values.filter { point.grants[$0.id] == nil }
    }

    private func checkGrants(
        _ ended: [DrilledGrant], _ untouched: [DrilledGrant], _ drill: Drill, _ vault: Vault, _ place: String
    ) async throws {
        for grant in ended {
            let newest = drill.grants[grant.id]?.newest ?? grant.newest
            for tokens in [newest, grant.newest] {
                let result = try await drill.party.refresh(tokens.refreshToken, in: vault)
                #expect(result.refusal != nil, "\(place): a grant that moved on is refused for good")
                #expect(try await vault.validate(tokens.pair.accessToken) == nil, "\(place)")
            }
        }
        for grant in untouched {
            let next = try await drill.party.refresh(grant.newest.refreshToken, in: vault)
            #expect(next.issued != nil, "\(place): a grant that did not move on continues")
        }
    }

    private func checkConnections(
        _ point: DrillPoint, _ moved: [DrilledConnection], _ drill: Drill, _ vault: Vault, _ place: String
    ) async throws {
        for connection in point.connections.values where connection.isLive {
            let held = try await vault.heldConnection(connection.id)
            guard moved.contains(where: { $0.id == connection.id }) else {
                #expect(held.connection.state == .live, "\(place)")
                continue
            }
            let isOwned = drill.users.contains { $0.id == connection.user.id }
            #expect(held.connection.state == (isOwned ? .needsConsent : .revoking), "\(place)")
            #expect(held.connection.reason == "restored")
            #expect(held.pair == nil && held.attempt == nil, "\(place): no token of it is left to be sent")
            if let end = held.connection.accessExpiresAt { #expect(end <= drill.test.clock.now()) }
        }
    }
}
