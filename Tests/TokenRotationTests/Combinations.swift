import TokenRotation
import VaultCore

/// The dimensions of the decision table, with a value on either side of every boundary.
extension Dimension {
    static let all = [
        kinds, positions, families, tokens, clients, statuses, owners, absoluteLifetimes, idleLifetimes,
        codeLifetimes, codeAges, windows, firstUses, scopes, of([(.strict, { _ in })]),
    ]

    /// What policies look at, with less of what is decided before. Those behind `caps` use what it set.
    static let ofPolicies = [
        of([(.refreshToken, { $0.kind = .refreshToken })]), distances, families, tokens, clients, statuses,
        of([(.ownerGood, { $0.state.owner = .good })]),
        of([(.absoluteLeft, { $0.state.absoluteExpiresAt = fromNow(1) })]),
        of([(.idleLeft, { $0.state.idleExpiresAt = fromNow(1) })]),
        Dimension(choices: [
            window(60, age: 9_999, .raceWindow), window(60, age: 10_000, .retryWindow),
            window(60, age: 60_000, .noWindow),
        ]), firstUses, scopes, caps, issues, policies,
        of([(.ownLifeLeft, { $0.endsAt = fromNow(1) }), (.ownLifeOver, { $0.endsAt = fromNow(0) })]),
        of([
            (.accessLeft, { $0.state.accessExpiresAt = fromNow(1) }),
            (.accessOver, { $0.state.accessExpiresAt = fromNow(0) }),
        ]),
        of([
            (.movedByCurrent, { $0.state.isMovedByStaleToken = false }),
            (.movedByStale, { $0.state.isMovedByStaleToken = true }),
        ]),
    ]

    private static let distances = Dimension(choices: [
        distance(9, [.current, .notSecondBefore, .nearGeneration]),
        distance(8, [.predecessor, .notSecondBefore, .nearGeneration]),
        distance(7, [.older, .secondBefore, .nearGeneration]),
        distance(6, [.older, .notSecondBefore, .nearGeneration]),
        distance(5, [.older, .notSecondBefore, .nextGeneration]),
        distance(4, [.older, .notSecondBefore, .farGeneration]),
        distance(10, [.ahead, .notSecondBefore, .farGeneration]),
    ])

    private static let caps = of([
        (.swapInCap, { $0.cap = $0.age + .milliseconds(1) }), (.swapBeyondCap, { $0.cap = $0.age }),
    ])
    private static let issues = of([
        (.issueInCap, { $0.issuedAt = Situation.now.advanced(by: .milliseconds(1) - $0.cap) }),
        (.issueWasInCap, { $0.issuedAt = Situation.now.advanced(by: .milliseconds(1) - $0.cap - $0.age) }),
        (.issueBeyondCap, { $0.issuedAt = Situation.now.advanced(by: .zero - $0.cap - $0.age) }),
    ])
    private static let policies = of([
        (.strict, { _ in }), (.untilFirstUse, { $0.adopt(.untilFirstUse(cap: $0.cap)) }),
        (.staleTolerant, { $0.adopt(.staleTolerant(generations: 3, cap: $0.cap)) }),
    ])

    private static let kinds = of([
        (.code, { $0.kind = .authorizationCode }), (.refreshToken, { $0.kind = .refreshToken }),
    ])

    private static let positions = Dimension(choices: [
        position(0, of: 0, [.current, .codeGeneration, .unredeemed]),
        position(0, of: 1, [.predecessor, .codeGeneration, .redeemed]),
        position(0, of: 2, [.older, .codeGeneration, .redeemed]),
        position(1, of: 0, [.ahead, .pairGeneration, .unredeemed]),
        position(1, of: 1, [.current, .pairGeneration, .redeemed]),
        position(1, of: 2, [.predecessor, .pairGeneration, .redeemed]),
        position(1, of: 3, [.older, .pairGeneration, .redeemed]),
        position(6, of: 5, [.ahead, .pairGeneration, .redeemed]),
        position(5, of: 5, [.current, .pairGeneration, .redeemed]),
        position(4, of: 5, [.predecessor, .pairGeneration, .redeemed]),
        position(3, of: 5, [.older, .pairGeneration, .redeemed]),
        position(.max, of: 5, [.ahead, .pairGeneration, .redeemed]),
        position(1, of: .max, [.older, .pairGeneration, .redeemed]),
    ])

    private static let families = of([
        (.ownFamily, { $0.isFamilyProven = true }), (.otherFamily, { $0.isFamilyProven = false }),
    ])
    private static let tokens = of([
        (.ownToken, { $0.isTokenProven = true }), (.otherToken, { $0.isTokenProven = false }),
    ])
    private static let clients = of([
        (.ownClient, { $0.isOfThisClient = true }), (.otherClient, { $0.isOfThisClient = false }),
    ])
    private static let statuses = of([
        (.live, { $0.state.status = .live }), (.revoked, { $0.state.status = .revoked }),
    ])
    private static let owners = of([
        (.ownerGood, { $0.state.owner = .good }), (.ownerDisabled, { $0.state.owner = .disabled }),
        (.ownerRevoked, { $0.state.owner = .revokedSinceIssue }),
        (.ownerErased, { $0.state.owner = .erased }),
    ])

    // A lifetime of which a millisecond is left is not over; one that ends now is.
    private static let absoluteLifetimes = of([
        (.absoluteLeft, { $0.state.absoluteExpiresAt = fromNow(1) }),
        (.absoluteOver, { $0.state.absoluteExpiresAt = fromNow(0) }),
    ])
    private static let idleLifetimes = of([
        (.idleLeft, { $0.state.idleExpiresAt = fromNow(1) }),
        (.idleOver, { $0.state.idleExpiresAt = fromNow(0) }),
    ])
    private static let codeLifetimes = of([
        (.codeLeft, { $0.state.codeExpiresAt = fromNow(1) }),
        (.codeOver, { $0.state.codeExpiresAt = fromNow(0) }),
    ])
    private static let codeAges = of([
        (.codeYoung, { $0.state.createdAt = fromNow(1) }),  // the clock ran backwards
        (.codeYoung, { $0.state.createdAt = fromNow(-599_999) }),
        (.codeOld, { $0.state.createdAt = fromNow(-600_000) }),
    ])

    private static let windows = Dimension(choices: [
        window(60, age: -5_000, .raceWindow), window(60, age: 0, .raceWindow),
        window(60, age: 9_999, .raceWindow), window(60, age: 10_000, .retryWindow),
        window(60, age: 59_999, .retryWindow), window(60, age: 60_000, .noWindow),
        window(600, age: 599_999, .retryWindow), window(600, age: 600_000, .noWindow),
        window(5, age: 4_999, .raceWindow), window(5, age: 5_000, .noWindow),
        window(0, age: -5_000, .noWindow), window(0, age: 0, .noWindow),
    ])

    private static let firstUses = of([
        (.unused, { $0.state.isFirstUseSeen = false }), (.used, { $0.state.isFirstUseSeen = true }),
    ])

    private static let scopes = Dimension(choices: [
        requested(nil, .scopeOmitted), requested("read basic", .scopeOfCurrent),
        requested("basic", .scopeOther), requested("basic read write", .scopeOther),
        requested("basic admin", .scopeBeyond),
    ])

    private static func of(_ choices: [(Facts, @Sendable (inout Situation) -> Void)]) -> Dimension {
        Dimension(choices: choices.map { Choice(facts: $0.0, apply: $0.1) })
    }

    private static func position(_ presented: UInt32, of current: UInt32, _ facts: Facts) -> Choice {
        Choice(facts: facts) { situation in
            situation.presentedGeneration = presented
            situation.state.generation = current
        }
    }

    private static func distance(_ presented: UInt32, _ facts: Facts) -> Choice {
        position(presented, of: 9, facts.union([.pairGeneration, .redeemed]))
    }

    private static func window(_ seconds: Int, age milliseconds: Int, _ facts: Facts) -> Choice {
        let policy = RotationPolicy(retryWindow: .seconds(seconds))
        let serving = Situation.lastSwap.advanced(by: .milliseconds(milliseconds))
        return Choice(facts: facts) { situation in
            situation.policy = policy
            situation.serving = serving
        }
    }

    private static func requested(_ text: String?, _ facts: Facts) -> Choice {
        let scope = text.map(Situation.scope)
        return Choice(facts: facts) { $0.requestedScope = scope }
    }

    private static func fromNow(_ milliseconds: Int) -> VaultInstant {
        Situation.now.advanced(by: .milliseconds(milliseconds))
    }
}

extension Situation {
    /// Since the last swap.
    fileprivate var age: Duration { serving.elapsed(since: Situation.lastSwap) }

    fileprivate mutating func adopt(_ rotation: RefreshTokenRotation) {
        policy = RotationPolicy(retryWindow: policy.retryWindow, rotation: rotation)
    }
}
