import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting

@Suite struct `A scripted server is its seed` {
    /// Every answer of one history: 60 refreshes, each of the newest token that was seen.
    private func history(seed: UInt64, chances: [(fault: ScriptedFault, probability: Double)]) -> [String] {
        let bench = ScriptedBench(replay: .tolerated, seed: seed, faults: FaultScript(chances: chances)) {
            $0.rotation = .sometimes
        }
        var token = bench.provider.grant().refreshToken ?? ""
        return (0..<60).map { _ in
            let answer = bench.provider.handle(
                .form("/token", "grant_type=refresh_token&refresh_token=" + token))
            let reply = ScriptedReply(answer)
            if answer.delivery == .whole, let next = reply["refresh_token"] { token = next }
            return "\(answer.status) \(answer.delivery) \(answer.text)"
        }
    }

    private let chances: [(fault: ScriptedFault, probability: Double)] = [
        (.dropBefore, 0.1), (.dropAfter, 0.1), (.truncated, 0.1), (.status(503, retryAfter: "1"), 0.1),
        (.duplicate, 0.1),
    ]

    @Test func `the same seed gives the same tokens and the same faults`() {
        for seed in 0..<20 as Range<UInt64> {
            #expect(history(seed: seed, chances: chances) == history(seed: seed, chances: chances))
        }
    }

    @Test func `another seed gives other tokens and other faults`() {
        let histories = (0..<20 as Range<UInt64>).map { history(seed: $0, chances: chances) }
        #expect(Set(histories).count == 20)
        #expect(Set(histories.map { $0.map { $0.hasPrefix("200 whole") } }).count > 15)
        let tokens = (0..<500 as Range<UInt64>).map { ScriptedBench(seed: $0).provider.grant().accessToken }
        #expect(Set(tokens).count == 500)
    }

    @Test func `chances come about as often as they say`() {
        let faults = (0..<20 as Range<UInt64>).flatMap { history(seed: $0, chances: chances) }
        let busy = faults.filter { $0.hasPrefix("503") }.count
        #expect((80...160).contains(busy), "a tenth of 1200: \(busy)")
        let lost = faults.filter { $0.hasPrefix("0 nothing") }.count
        #expect((180...300).contains(lost), "a fifth of 1200: \(lost)")
    }

    @Test func `a fault by number leaves the faults by chance where they were`() {
        func statuses(_ numbered: [Int: ScriptedFault]) -> [Int] {
            let script = FaultScript(numbered, chances: [(.status(503), 0.3)])
            let bench = ScriptedBench(seed: 4, faults: script)
            return (1...50).map { _ in bench.post("/token", "grant_type=client_credentials").status }
        }
        var expected = statuses([:])
        expected[6] = 429
        #expect(statuses([7: .status(429)]) == expected)
        #expect(expected.contains(503) && expected.contains(200))
    }

    @Test func `reset forgets all and begins the seed again`() {
        let bench = ScriptedBench(seed: 9, faults: FaultScript([1: .status(500)]))
        let grant = bench.provider.grant()
        #expect(bench.refresh(grant.refreshToken ?? "").status == 500)
        bench.provider.reset()
        #expect(bench.provider.families.isEmpty && bench.provider.tokenRequests == 0)
        #expect(!bench.provider.isLive(accessToken: grant.accessToken))
        #expect(bench.provider.grant() == grant)
        #expect(bench.refresh(grant.refreshToken ?? "").status == 200)
    }
}
