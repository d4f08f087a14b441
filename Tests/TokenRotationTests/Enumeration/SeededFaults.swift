import Testing
import TokenRotation
import VaultCore

/// The rules with one fault each: what they are told, or what they say, is bent.
struct SeededFault: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let rules: Invariants.Rules

    /// A fault in what the rules read.
    private init(
        _ name: String,
        reading bend:
            @escaping @Sendable (
                inout PresentedCredential, inout GrantState, inout RotationMoment, inout RotationPolicy
            ) -> Void
    ) {
        testDescription = name
        rules = { presented, state, moment, policy in
            var (presented, state, moment, policy) = (presented, state, moment, policy)
            bend(&presented, &state, &moment, &policy)
            return RotationRules.decide(presented, against: state, at: moment, under: policy)
        }
    }

    /// A fault in what they answer.
    private init(
        _ name: String,
        answering bend:
            @escaping @Sendable (RotationDecision, PresentedCredential, GrantState) -> RotationDecision
    ) {
        testDescription = name
        rules = { presented, state, moment, policy in
            bend(RotationRules.decide(presented, against: state, at: moment, under: policy), presented, state)
        }
    }

    static let all = ofProof + ofTime + ofPolicies + ofAnswers

    private static let ofProof: [SeededFault] = [
        SeededFault("every token counts as the one of its generation") { presented, _, _, _ in
            presented.isTokenProven = true
        },
        SeededFault("every family counts as the grant's") { presented, _, _, _ in
            presented.isFamilyProven = true
        },
        SeededFault("every client counts as the one it was issued to") { presented, _, _, _ in
            presented.isOfThisClient = true
        },
        SeededFault("a code counts as a refresh token") { presented, _, _, _ in
            guard presented.kind == .authorizationCode else { return }
            (presented.kind, presented.generation) = (.refreshToken, 1)
        },
        SeededFault("a revoked grant lives") { _, state, _, _ in state.status = .live },
        SeededFault("a disabled user's grant lives") { _, state, _, _ in state.owner = .good },
        SeededFault("the token before the current one counts as current") { presented, state, _, _ in
            if presented.generation + 1 == state.generation { presented.generation += 1 }
        },
        SeededFault("a token that is ahead counts as current") { presented, state, _, _ in
            presented.generation = min(presented.generation, state.generation)
        },
    ]

    private static let ofTime: [SeededFault] = [
        SeededFault("the absolute lifetime never ends") { _, state, _, _ in
            state.absoluteExpiresAt = VaultInstant(millisecondsSince1970: .max)
        },
        SeededFault("the idle lifetime never ends") { _, state, _, _ in
            state.idleExpiresAt = VaultInstant(millisecondsSince1970: .max)
        },
        SeededFault("windows and caps never end") { _, state, moment, _ in state.lastSwap = moment.serving },
        SeededFault("windows run on the wall clock") { _, _, moment, _ in moment.serving = moment.now },
        SeededFault("lifetimes run on the serving clock") { _, _, moment, _ in moment.now = moment.serving },
        SeededFault("a window is open at its last instant") { _, _, moment, _ in
            moment.serving = moment.serving.advanced(by: .milliseconds(-1))
        },
        SeededFault("a lifetime is left at its last instant") { _, _, moment, _ in
            moment.now = moment.now.advanced(by: .milliseconds(-1))
        },
        SeededFault("first use closes nothing") { _, state, _, _ in state.isFirstUseSeen = false },
        SeededFault("every pair counts as used") { _, state, _, _ in state.isFirstUseSeen = true },
        SeededFault("a token's own lifetime never ends") { presented, _, _, _ in
            presented.endsAt = VaultInstant(millisecondsSince1970: .max)
        },
        SeededFault("old tokens count as issued now") { presented, _, moment, _ in
            presented.issuedAt = moment.now
        },
        SeededFault("the access token never ends") { _, state, _, _ in
            state.accessExpiresAt = VaultInstant(millisecondsSince1970: .max)
        },
        SeededFault("the access token is always over") { _, state, moment, _ in
            state.accessExpiresAt = moment.now
        },
    ]

    private static let ofPolicies: [SeededFault] = [
        SeededFault("strict tolerates a generation") { _, _, _, policy in
            guard policy.rotation == .strict else { return }
            policy = RotationPolicy(
                retryWindow: policy.retryWindow, rotation: .untilFirstUse(cap: Span.ticks(Span.cap)))
        },
        SeededFault("every policy is strict") { _, _, _, policy in
            policy = RotationPolicy(retryWindow: policy.retryWindow)
        },
        SeededFault("one generation more is tolerated") { _, _, _, policy in policy.bend(generations: 1) },
        SeededFault("one generation less is tolerated") { _, _, _, policy in policy.bend(generations: -1) },
        SeededFault("the cap is a tick longer") { _, _, _, policy in policy.bend(cap: 1) },
        SeededFault("the cap is a tick shorter") { _, _, _, policy in policy.bend(cap: -1) },
        SeededFault("no swap counts as made by an old token") { _, state, _, _ in
            state.isMovedByStaleToken = false
        },
        SeededFault("every swap counts as made by an old token") { _, state, _, _ in
            state.isMovedByStaleToken = true
        },
    ]

    private static let ofAnswers: [SeededFault] = [
        SeededFault("reuse is refused, and the grant lives") { decision, _, _ in
            if case .revoke(let reason) = decision { .refuse(reason) } else { decision }
        },
        SeededFault("another client's attempt ends the grant") { decision, _, _ in
            decision == .refuse(.wrongClient) ? .revoke(.wrongClient) : decision
        },
        SeededFault("a tolerated use is not counted") { decision, _, _ in
            decision == .staleReplay ? .replay : decision
        },
        SeededFault("a retry is counted") { decision, _, _ in decision == .replay ? .staleReplay : decision },
        SeededFault("a retry makes a pair of its own") { decision, _, state in
            decision == .replay ? .swap(scope: state.scope) : decision
        },
        SeededFault("a tolerated token makes a pair of its own") { decision, _, state in
            decision == .staleReplay ? .swap(scope: state.scope) : decision
        },
        SeededFault("less scope is not heard") { decision, _, state in
            if case .swap = decision { .swap(scope: state.scope) } else { decision }
        },
        SeededFault("a pair of another scope is given") { decision, _, _ in
            decision == .refuse(.scopeChangedOnRetry) ? .staleReplay : decision
        },
        SeededFault("scope beyond the grant is given") { decision, presented, _ in
            decision == .refuse(.scopeExceeded) ? .swap(scope: presented.requestedScope ?? .empty) : decision
        },
        SeededFault("a token that is ahead ends the grant") { decision, _, _ in
            decision == .databaseIsBehind ? .revoke(.refreshTokenReused) : decision
        },
    ]
}

extension RotationPolicy {
    fileprivate mutating func bend(generations: Int = 0, cap ticks: Int = 0) {
        let bent: RefreshTokenRotation =
            switch rotation {
            case .strict: .strict
            case .untilFirstUse(let cap):
                .staleTolerant(generations: 1 + generations, cap: cap + Span.ticks(ticks))
            case .staleTolerant(let count, let cap):
                .staleTolerant(generations: count + generations, cap: cap + Span.ticks(ticks))
            }
        self = RotationPolicy(retryWindow: retryWindow, rotation: bent)
    }
}
