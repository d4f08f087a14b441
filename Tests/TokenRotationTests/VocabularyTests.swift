import Testing
import TokenRotation
import VaultCore

@Suite("The words of rotation: windows, reasons, stored values")
struct VocabularyTests {
    @Test(arguments: [
        (-1, 0, 0), (0, 0, 0), (1, 1, 1), (9, 9, 9), (10, 10, 10), (11, 11, 10), (60, 60, 10), (600, 600, 10),
        (601, 600, 10),
    ])
    func `the retry window is clamped, and the race window is never longer`(
        _ asked: Int, _ retry: Int, _ race: Int
    ) {
        let policy = RotationPolicy(retryWindow: .seconds(asked))
        #expect(policy.retryWindow == .seconds(retry))
        #expect(policy.raceWindow == .seconds(race))
    }

    @Test(
        arguments: [
            ("strict", .strict), ("until-first-use", .untilFirstUse(cap: .seconds(86400))),
            ("until-first-use:60s", .untilFirstUse(cap: .seconds(60))),
            ("until-first-use:30d", .untilFirstUse(cap: .seconds(30 * 86400))),
            ("stale-tolerant:1", .staleTolerant(generations: 1, cap: .seconds(86400))),
            ("stale-tolerant:1000:2h", .staleTolerant(generations: 1000, cap: .seconds(7200))),
        ] as [(String, RefreshTokenRotation)])
    func `a policy is read as it is written`(_ text: String, _ rotation: RefreshTokenRotation) {
        #expect(RefreshTokenRotation(text) == rotation)
        #expect(RefreshTokenRotation(rotation.description) == rotation)
    }

    @Test(arguments: [
        "", "Strict", "strict:", "strict:1d", "until-first-use:", "until-first-use:59s",
        "until-first-use:31d",
        "until-first-use:1d:1d", "until-first-use:1", "stale-tolerant", "stale-tolerant:", "stale-tolerant:0",
        "stale-tolerant:-1", "stale-tolerant:1001", "stale-tolerant:65536", "stale-tolerant:3:",
        "stale-tolerant:3:0s", "stale-tolerant:3:1d:", " strict", "never",
    ])
    func `a policy that is misspelled or without limits is none`(_ text: String) {
        #expect(RefreshTokenRotation(text) == nil)
    }

    @Test func `a scope without names counts as omitted`() {
        let presented = PresentedCredential(
            kind: .refreshToken, generation: 1, isFamilyProven: true, isTokenProven: true,
            isOfThisClient: true, issuedAt: Situation.now, endsAt: Situation.now,
            requestedScope: .empty)
        #expect(presented.requestedScope == nil)
    }

    @Test func `a grant without scope can be refreshed`() {
        let now = VaultInstant(millisecondsSince1970: 0)
        let later = now.advanced(by: .seconds(1))
        let state = GrantState(
            generation: 1, status: .live, owner: .good, createdAt: now, codeExpiresAt: later, lastSwap: now,
            isFirstUseSeen: false, accessExpiresAt: later, isMovedByStaleToken: false, idleExpiresAt: later,
            absoluteExpiresAt: later, scope: .empty,
            currentScope: .empty)
        let presented = PresentedCredential(
            kind: .refreshToken, generation: 1, isFamilyProven: true, isTokenProven: true,
            isOfThisClient: true, issuedAt: now, endsAt: later,
            requestedScope: nil)
        let decision = RotationRules.decide(
            presented, against: state, at: RotationMoment(now: now, serving: now),
            under: RotationPolicy(retryWindow: .seconds(60)))
        #expect(decision == .swap(scope: .empty))
    }

    @Test func `the reasons that call an operator are these`() {
        let alarms = RefusalReason.allCases.filter(\.isAlarm)
        #expect(
            alarms == [
                .wrongFamily, .wrongToken, .wrongClient, .codeReused, .refreshTokenReused, .accessTokenAhead,
            ])
    }

    @Test func `a stored status never changes its number`() {
        #expect(GrantStatus(rawValue: 1) == .live)
        #expect(GrantStatus(rawValue: 2) == .revoked)
        #expect(GrantStatus.allCases.count == 2)
    }
}
