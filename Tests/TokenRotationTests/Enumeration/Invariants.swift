import TokenRotation
import VaultCore

/// What must hold of every answer, in words of what happened and not of what the row says.
struct Invariants {
    typealias Rules =
        @Sendable (PresentedCredential, GrantState, RotationMoment, RotationPolicy) -> RotationDecision

    let span: Span
    let rules: Rules
    private let policy: RotationPolicy

    init(span: Span, rules: @escaping Rules) {
        (self.span, self.rules, policy) = (span, rules, span.policy)
    }

    func decide(_ presented: PresentedCredential, against state: GrantState, in world: World)
        -> RotationDecision
    {
        rules(presented, state, world.moment, policy)
    }

    /// What is wrong with the answer to the token of this pair; nil: nothing.
    func fault(of decision: RotationDecision, to pair: Int, in world: World) -> String? {
        if world.isOver || world.isRevoked {
            if case .refuse = decision { return nil }
            return "a grant that is over is not"
        }
        let distance = world.current - pair
        guard distance > 0 else {
            return decision == .swap(scope: World.scope) ? nil : "the current token is not rotated"
        }
        let isAccessAlive = world.now < world.accessEnd
        let isRetry = isRetry(distance, world)
        let isTolerated = isTolerated(pair, distance, world)
        switch decision {
        case .swap(let scope):
            guard isRetry || isTolerated else { return "a token beyond its limits moves the grant" }
            guard !isAccessAlive, span.rotation != .strict else { return "two pairs live" }
            return scope == World.scope ? nil : "a swap has another scope"
        case .replay:
            guard isRetry else { return "a use is not counted, or beyond its window" }
            return isAccessAlive || span.rotation == .strict ? nil : "a dead pair is given"
        case .staleReplay:
            guard isTolerated, !isRetry else {
                return "a retry is counted, or a token beyond its limits is served"
            }
            return isAccessAlive ? nil : "a dead pair is given"
        case .revoke(.refreshTokenReused):
            return isRetry || isTolerated ? "a token within its limits ends the grant" : nil
        default: return "a used token is neither served nor ends the grant"
        }
    }

    private func isRetry(_ distance: Int, _ world: World) -> Bool {
        let window = world.isUsed ? min(1, span.retryWindow) : span.retryWindow
        return distance == 1 && max(0, world.serving - world.lastSwap) < window
    }

    private func isTolerated(_ pair: Int, _ distance: Int, _ world: World) -> Bool {
        let (age, ageSinceIssue) = (
            max(0, world.serving - world.lastSwap), max(0, world.now - world.issue(of: pair))
        )
        let isOwnLifeLeft = world.now < min(world.issue(of: pair) + Span.idle, Span.absolute)
        if isOwnLifeLeft, distance <= span.generations, (distance == 1 ? age : ageSinceIssue) < Span.cap {
            return true
        }
        // An old token moved the grant, and this one had been as good for it.
        guard world.mover < world.current - 1, distance > 1, world.now < world.accessEnd else { return false }
        return distance - 1 <= span.generations
            && (distance == 2 || isOwnLifeLeft && ageSinceIssue - age < Span.cap)
    }

    /// What is wrong with the answers to what nobody of these may do; nil: nothing.
    func faultOfOthers(in world: World, _ state: GrantState) -> String? {
        let isLive = !world.isOver && !world.isRevoked
        for pair in 0...world.current + 1 {
            var presented = world.presented(pair)
            presented.isOfThisClient = false
            guard case .refuse = decide(presented, against: state, in: world) else {
                return "another client changes the grant"
            }
            presented.isOfThisClient = true
            presented.isFamilyProven = false
            guard case .refuse = decide(presented, against: state, in: world) else {
                return "another family changes the grant"
            }
        }
        for pair in [world.current, world.current - 1] where pair >= 0 {
            var presented = world.presented(pair)
            presented.isTokenProven = false
            guard decide(presented, against: state, in: world) == .refuse(.wrongToken) else {
                return "a forged token is served"
            }
        }
        let ahead = decide(world.presented(world.current + 1), against: state, in: world)
        guard ahead == .databaseIsBehind || !isLive else { return "a token that is not issued is judged" }
        var other = state
        other.owner = .disabled
        guard case .refuse = decide(world.presented(world.current), against: other, in: world) else {
            return "a disabled user's grant is served"
        }
        var code = world.presented(0)
        (code.kind, code.generation) = (.authorizationCode, 0)
        let again = decide(code, against: state, in: world)
        guard isLive ? again == .revoke(.codeReused) : again.isRefusal else { return "a code is good twice" }
        return faultOfScopes(in: world, state)
    }

    private func faultOfScopes(in world: World, _ state: GrantState) -> String? {
        for pair in 0...world.current {
            switch decide(world.presented(pair, scope: World.narrow), against: state, in: world) {
            case .swap(let scope) where scope != World.narrow:
                return "a swap has another scope than asked for"
            case .replay, .staleReplay: return "a pair of another scope is given"
            default: break
            }
            switch decide(world.presented(pair, scope: World.beyond), against: state, in: world) {
            case .swap, .replay, .staleReplay: return "more scope is given than the grant has"
            default: break
            }
        }
        return nil
    }
}

extension RotationDecision {
    var isRefusal: Bool {
        if case .refuse = self { true } else { false }
    }
}
