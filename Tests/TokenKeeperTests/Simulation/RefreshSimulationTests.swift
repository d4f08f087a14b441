import Foundation
import TestSupport
import Testing
import VaultCore

/// The real refresh, vault and file under every order of events that its seeds come to: ten thousand at night.
///
/// A seed that fails is printed; `KEEPER_SEED=n` plays it alone and tells its story.
@Suite("Promise P8: what a provider granted survives any crash at any moment", .serialized, .bounded)
struct RefreshSimulationTests {
    private static let seeds = UInt64(Effort.rounds(1_000, nightly: 10_000))
    private static let shards: UInt64 = 2

    @Test func `histories of crashes, faults and clocks keep every promise`() async throws {
        if let seed = KeeperSeed.chosen { return try await replay(seed) }
        let start = ContinuousClock.now
        let failures = try await withThrowingTaskGroup(of: [String].self) { group in
            for shard in 0..<Self.shards {
                group.addTask { try await Self.run(from: shard, mutant: nil, until: Self.seeds).failures }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(failures.isEmpty)
        for failure in failures.prefix(10) { print(failure) }
        print("simulation: \(Self.seeds) seeds in \(ContinuousClock.now - start)")
    }

    @Test(arguments: Mutant.allCases)
    func `a keeper that breaks a rule is found out`(mutant: Mutant) async throws {
        guard KeeperSeed.chosen == nil else { return }
        let found = try await Self.run(from: 0, step: 1, mutant: mutant, until: 2000, stopsAtFirst: true)
        #expect(!found.failures.isEmpty, "\(mutant) goes unnoticed")
        print("\(mutant): \(found.failures.first ?? "unnoticed")")
    }

    private func replay(_ seed: UInt64) async throws {
        let machine = try await SimulatedMachine()
        let simulation = try await Simulation(seed: seed, on: machine)
        let violations = try await simulation.run()
        print(simulation.story.joined(separator: "\n"))
        #expect(violations.isEmpty)
        #expect(try await machine.close() == nil)
    }

    private static func run(
        from first: UInt64, step: UInt64 = shards, mutant: Mutant?, until end: UInt64,
        stopsAtFirst: Bool = false
    ) async throws -> (failures: [String], seeds: Int) {
        let machine = try await SimulatedMachine()
        var failures: [String] = []
        var played = 0
        for seed in stride(from: first, to: end, by: Int(step)) {
            let simulation = try await Simulation(seed: seed, on: machine, mutant: mutant)
            played += 1
            for violation in try await simulation.run() {
                failures.append("KEEPER_SEED=\(seed): \(simulation.policy): \(violation)")
            }
            if stopsAtFirst, !failures.isEmpty { break }
        }
        if let finding = try await machine.close() { failures.append("the audit log: \(finding)") }
        return (failures, played)
    }
}

/// The seed to play alone.
enum KeeperSeed {
    static let chosen = ProcessInfo.processInfo.environment["KEEPER_SEED"].flatMap { UInt64($0) }
    static var isChosen: Bool { chosen != nil }
}
