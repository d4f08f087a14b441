import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `The engine against a slow and obvious model` {
    private static let histories = Effort.rounds(1_500, nightly: 10_000)
    private static let tasks = 64
    /// Each has a third of the histories. Of the two that take old tokens, access tokens end after a few rounds.
    private static let policies: [RefreshTokenRotation] = [
        .strict, .untilFirstUse(cap: .seconds(300)), .staleTolerant(generations: 2, cap: .seconds(300)),
    ]

    @Test func `histories over one store, 64 at a time, end as the model says`() async throws {
        var random = SeededGenerator("HistoryTests")
        let seed = random.seed
        let test = try await TestVault()
        var parties: [RefreshTokenRotation: Party] = [:]
        for (number, policy) in Self.policies.enumerated() {
            parties[policy] = try await Party(test.vault, "app \(number)", user: "alice \(number)") {
                $0.rotation = policy
                if policy != .strict { $0.lifetimes.accessToken = .seconds(150) }
            }
        }
        let other = try await Party(test.vault, "other", user: "bob")
        let policies = (0..<Self.histories).map { Self.policies[$0 % Self.policies.count] }
        var grants = try await inParallel(policies, seed) { [parties] policy, _ in
            let now = test.clock.now()
            let party = try #require(parties[policy])
            let code = try await party.authorize()
            let tokens = try #require(await party.redeem(code).issued)
            return ObviousGrant(code: code, codeIssuedAt: now, rotation: policy, first: tokens)
        }
        var reached: [String: Int] = [:]
        // Every second pause is one after which a policy takes an older refresh token: its access token still lives, or not.
        let pauses = zip([0, 1, 4, 9, 11, 40, 299, 700].shuffled(using: &random), [70, 200, 70, 200])
            .flatMap { [$0, $1] }
        for pause in pauses {
            test.clock.advance(by: .seconds(pause))
            let steps = try await inParallel(grants, random.next()) { [parties] grant, random in
                try await step(grant, &random, #require(parties[grant.rotation]), other, test)
            }
            grants = steps.map(\.grant)
            for step in steps {
                reached[step.outcome, default: 0] += 1
                #expect(step.surprise == nil, "seed \(seed): \(step.surprise ?? "")")
            }
        }
        // Every kind of answer was really met.
        for outcome in ["new pair", "same pair", "refused", "valid", "not valid"] {
            #expect(reached[outcome, default: 0] > 10, "\(outcome), seed \(seed): \(reached)")
        }
        for policy in Self.policies.dropFirst() {
            for outcome in ["new pair", "same pair"] {
                let outcome = "\(outcome) by \(policy)"
                #expect(reached[outcome, default: 0] > 10, "\(outcome), seed \(seed): \(reached)")
            }
        }
        let report = try await test.vault.log.verify()
        #expect(report.isIntact, "seed \(seed): \(report.findings)")
    }

    private struct Step: Sendable {
        var grant: ObviousGrant
        var outcome: String
        var surprise: String?
    }

    private func step(
        _ before: ObviousGrant, _ random: inout SeededGenerator, _ party: Party, _ other: Party,
        _ test: TestVault
    ) async throws -> Step {
        var grant = before
        var acts: [Act] = Act.allCases + [.refreshNewest, .refreshNewest, .refreshPredecessor, .useNewest]
        if grant.rotation != .strict { acts += [.refreshPredecessor, .refreshAnyOlder] }
        let act = acts[Int.random(in: 0..<acts.count, using: &random)]
        let token = grant.token(for: act, using: &random)
        let now = test.clock.now()
        let expectation = grant.expect(act, token, at: now)
        var strict = before
        strict.rotation = .strict
        let isByPolicy = strict.expect(act, token, at: now) != expectation
        let got: Expectation
        var issued: IssuedTokens?
        switch act {
        case .revoke:
            try await test.vault.grants.revoke(grant.pairs[0].grant)
            got = .done
        case .useNewest, .usePredecessor, .useOldest:
            got = .valid(try await test.vault.validate(try #require(token)) != nil)
        default:
            let actor = act == .refreshByOtherClient ? other : party
            let presented = try #require(token)
            let result =
                act == .redeemAgain ? try await actor.redeem(presented) : try await actor.refresh(presented)
            issued = result.issued
            got =
                if issued != nil { .newPair } else if let same = result.replayed { .samePair(same.text) } else
                { .refused }
        }
        if let issued { grant.add(issued, at: now) }
        let surprise = got == expectation ? nil : "\(act) gave \(got), expected \(expectation)"
        let outcome = Self.word(got) + (isByPolicy ? " by \(grant.rotation)" : "")
        return Step(grant: grant, outcome: outcome, surprise: surprise)
    }

    private static func word(_ expectation: Expectation) -> String {
        switch expectation {
        case .newPair: "new pair"
        case .samePair: "same pair"
        case .refused: "refused"
        case .valid(let isValid): isValid ? "valid" : "not valid"
        case .done: "done"
        }
    }

    /// Each element by itself, its own generator; a slice of them in each task.
    private func inParallel<Input: Sendable, Output: Sendable>(
        _ inputs: [Input], _ seed: UInt64,
        _ body: @escaping @Sendable (Input, inout SeededGenerator) async throws -> Output
    ) async throws -> [Output] {
        let width = (inputs.count + Self.tasks - 1) / Self.tasks
        let slices = try await withThrowingTaskGroup(of: (Int, [Output]).self) { group in
            for task in 0..<Self.tasks {
                let slice = inputs[min(task * width, inputs.count)..<min((task + 1) * width, inputs.count)]
                group.addTask {
                    var random = SeededGenerator(seed: seed &+ UInt64(task))
                    var outputs: [Output] = []
                    for input in slice { outputs.append(try await body(input, &random)) }
                    return (task, outputs)
                }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        return (0..<Self.tasks).flatMap { slices[$0] ?? [] }
    }
}
