import TokenRotation
import VaultCore

/// Visits every state that three clients, a thief, crashes and clocks can bring a grant to within four generations.
struct Enumeration {
    private static let generations = 4

    private let invariants: Invariants
    private var seen: Set<UInt64> = []
    private var waiting: [World] = []
    /// What each token that there is gets, for every row and moment.
    private var answered: [UInt64: [RotationDecision]] = [:]

    var states: Int { seen.count }
    var rows: Int { answered.count }

    init(_ span: Span, rules: @escaping Invariants.Rules) {
        invariants = Invariants(span: span, rules: rules)
    }

    /// What is wrong somewhere, with the state it is wrong in; nil: nothing anywhere.
    mutating func run() -> String? {
        visit(World())
        while let world = waiting.popLast() {
            let key = world.rowKey
            if answered[key] == nil {
                let state = world.state
                let answers = (0...world.current).map {
                    invariants.decide(world.presented($0), against: state, in: world)
                }
                if let fault = fault(of: answers, in: world) ?? invariants.faultOfOthers(in: world, state) {
                    return "\(fault): \(world)"
                }
                answered[key] = answers
            }
            letPartiesAsk(in: world, answered[key] ?? [])
            letTimePass(in: world)
        }
        return nil
    }

    private func fault(of answers: [RotationDecision], in world: World) -> String? {
        for (pair, answer) in answers.enumerated() {
            if let fault = invariants.fault(of: answer, to: pair, in: world) { return fault }
            if let fault = faultOfRepeating(pair, after: answer, in: world) { return fault }
        }
        return nil
    }

    private mutating func visit(_ world: World) {
        if seen.insert(world.key).inserted { waiting.append(world) }
    }

    private mutating func letPartiesAsk(in world: World, _ answers: [RotationDecision]) {
        for party in 0...World.thief {
            guard let pair = world[party] else {
                steal(in: world)
                continue
            }
            guard var next = after(answers[pair], to: pair, in: world) else { continue }
            // The answer is lost, or the process that sent it is gone.
            visit(next)
            guard !next.isRevoked else { continue }
            next[party] = next.current
            visit(next)
            // The new access token is used, here and as late as may be.
            next.isUsed = true
            visit(next)
        }
    }

    /// Nil: nothing changed, or the last generation is reached.
    private func after(_ decision: RotationDecision, to pair: Int, in world: World) -> World? {
        var next = world
        switch decision {
        case .swap:
            guard world.current + 1 < Self.generations else { return nil }
            return world.moved(by: pair)
        case .replay, .staleReplay: return world
        case .revoke:
            next.isRevoked = true
            return next
        case .refuse, .databaseIsBehind: return nil
        }
    }

    /// A hundred ask at once with what was served: one successor, which all of them get.
    private func faultOfRepeating(_ pair: Int, after decision: RotationDecision, in world: World) -> String? {
        let span = invariants.span
        guard span.retryWindow > 0 || span.rotation != .strict, case .swap = decision,
            let next = after(decision, to: pair, in: world), next.now < next.accessEnd
        else { return nil }
        switch invariants.decide(next.presented(pair), against: next.state, in: next) {
        case .replay, .staleReplay: return nil
        default: return "of two that ask at once one is not served the same"
        }
    }

    /// The thief copies what a client has.
    private mutating func steal(in world: World) {
        for client in World.clients {
            var next = world
            next[World.thief] = world[client]
            visit(next)
        }
    }

    private mutating func letTimePass(in world: World) {
        guard !world.isOver, !world.isRevoked else { return }
        for ticks in 1...2 {
            var next = world
            next.now = min(world.now + ticks, Span.absolute)
            visit(next)
        }
        // Once, no process serves for a while, or the clock is set back.
        guard world.outages == 0, world.stepsBack == 0 else { return }
        var next = world
        next.now = min(world.now + 2, Span.absolute)
        next.outages = next.now - world.now
        visit(next)
        guard world.now > 0 else { return }
        next = world
        next.now -= 1
        next.stepsBack = 1
        visit(next)
    }
}
