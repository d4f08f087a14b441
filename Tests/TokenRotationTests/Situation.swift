import TokenRotation
import VaultCore

/// One combination for the decision table: the facts in words, and the same in the types of the rules.
struct Situation {
    var facts: Facts = []
    var kind = CredentialKind.refreshToken
    var presentedGeneration: UInt32 = 0
    var isFamilyProven = true
    var isTokenProven = true
    var isOfThisClient = true
    var issuedAt = now
    var endsAt = now
    var requestedScope: ScopeSet?
    var state = GrantState(
        generation: 0, status: .live, owner: .good, createdAt: now, codeExpiresAt: now, lastSwap: lastSwap,
        isFirstUseSeen: false, accessExpiresAt: now, isMovedByStaleToken: false, idleExpiresAt: now,
        absoluteExpiresAt: now, scope: scope("basic read write"),
        currentScope: scope("basic read"))
    var serving = lastSwap
    var policy = RotationPolicy(retryWindow: .zero)
    var cap = Duration.zero

    var presented: PresentedCredential {
        PresentedCredential(
            kind: kind, generation: presentedGeneration, isFamilyProven: isFamilyProven,
            isTokenProven: isTokenProven, isOfThisClient: isOfThisClient, issuedAt: issuedAt,
            endsAt: endsAt, requestedScope: requestedScope)
    }

    var decision: RotationDecision {
        RotationRules.decide(
            presented, against: state, at: RotationMoment(now: Self.now, serving: serving), under: policy)
    }

    /// The decision a row asks for here.
    func expected(from row: DecisionTable.Row) -> RotationDecision {
        switch row.outcome {
        case .swapToWholeScope: .swap(scope: state.scope)
        case .swapToRequestedScope: .swap(scope: requestedScope ?? .empty)
        case .exactly(let decision): decision
        }
    }

    /// The two clocks are decades apart here, so that a rule that takes one for the other is noticed.
    static let now = VaultInstant(millisecondsSince1970: 1_790_000_000_000)
    static let lastSwap = VaultInstant(millisecondsSince1970: 5_000_000)

    static func scope(_ text: String) -> ScopeSet { ScopeSet(parsing: text) ?? .empty }
}

/// Everything one dimension can be, each with the facts it makes true.
struct Dimension: Sendable {
    struct Choice: Sendable {
        let facts: Facts
        let apply: @Sendable (inout Situation) -> Void
    }

    let choices: [Choice]

    /// Calls `body` with every combination of the choices of `dimensions`.
    static func forEachCombination(
        of dimensions: ArraySlice<Dimension>, in situation: Situation = Situation(),
        _ body: (Situation) -> Void
    ) {
        guard let dimension = dimensions.first else { return body(situation) }
        for choice in dimension.choices {
            var next = situation
            next.facts.formUnion(choice.facts)
            choice.apply(&next)
            forEachCombination(of: dimensions.dropFirst(), in: next, body)
        }
    }
}
