import TestSupport
import Testing
import TokenRotation

/// The rules, driving a store of one row per grant, answer as somebody would who remembers everything.
@Suite("Promises P2, P4 and P10: one row per grant remembers enough", .bounded)
struct HistoryTests {
    static let histories = Effort.rounds(3_000, nightly: 10_000)
    static let shards = 4

    @Test func `random histories agree with a model that forgets nothing`() async {
        let tally = await withTaskGroup(of: Tally.self) { group in
            for shard in 0..<Self.shards { group.addTask { Self.run(shard) } }
            return await group.reduce(into: Tally()) { $0.merge($1) }
        }
        let expected = [
            "new pair", "same pair", "revoked", "invalid_grant", "invalid_scope", "unavailable",
            "access accepted", "access refused",
        ]
        for name in expected {
            #expect(tally.counts[name, default: 0] >= Self.histories / 40, "\(tally.counts)")
        }
        // All that rows and rules can come to; the rest is for whoever reads the request.
        let elsewhere: Set<RefusalReason> = [
            .clientDisabled, .resourceMismatch, .redirectURIMismatch, .codeVerifierMissing,
            .codeVerifierMismatch,
            .codeVerifierUnexpected,
        ]
        #expect(tally.reasons == Set(RefusalReason.allCases).subtracting(elsewhere))
    }

    private static func run(_ shard: Int) -> Tally {
        var tally = Tally()
        for seed in stride(from: shard, to: histories, by: shards) {
            var history = RandomHistory(seed: UInt64(seed))
            do {
                try history.run()
                tally.merge(history.tally)
            } catch {
                Issue.record("seed \(seed): \(error)")
                return tally
            }
        }
        return tally
    }
}
