import TokenRotation
import VaultCore

/// A grant, the clocks, and who holds which of its refresh tokens: one state of the enumeration.
///
/// Times are ticks of ten seconds since the grant was made. A pair is named by a number, the one of its generation less 1.
struct World {
    static let clients = 0..<3
    static let thief = 3
    private static let none = 7

    /// By the wall clock, and how many of these ticks no process served.
    var now = 0
    var outages = 0
    var stepsBack = 0
    /// The pair that the grant has.
    var current = 0
    /// On the serving clock.
    var lastSwap = 0
    var isUsed = false
    var isRevoked = false
    /// The pair whose token made the last swap. The row does not know it.
    var mover = 0
    /// When each pair was issued, by the wall clock: four bits each.
    private var issues: UInt16 = 0
    /// The pair of which each party holds the refresh token: three bits each.
    private var held: UInt16 = 7 << 9

    var serving: Int { now - outages }

    func issue(of pair: Int) -> Int { Int(issues >> (4 * pair) & 15) }

    mutating func noteIssue(of pair: Int) {
        issues = issues & ~(15 << (4 * pair)) | UInt16(now) << (4 * pair)
    }

    /// Nil: the thief has stolen nothing yet.
    subscript(party: Int) -> Int? {
        get {
            let pair = Int(held >> (3 * party) & 7)
            return pair == Self.none ? nil : pair
        }
        set { held = held & ~(7 << (3 * party)) | UInt16(newValue ?? Self.none) << (3 * party) }
    }

    /// All but who holds what.
    var rowKey: UInt64 {
        var key = UInt64(issues)
        for (value, bits) in [
            (now, 4), (outages, 3), (stepsBack, 1), (current, 3), (lastSwap + 1, 4), (isUsed ? 1 : 0, 1),
            (isRevoked ? 1 : 0, 1), (mover, 3),
        ] { key = key << bits | UInt64(value) }
        return key
    }

    /// The same for states that differ only by which client is which.
    var key: UInt64 {
        let holders = Self.clients.map { held >> (3 * $0) & 7 }.sorted() + [held >> (3 * Self.thief) & 7]
        return holders.reduce(rowKey) { $0 << 3 | UInt64($1) }
    }
}

/// How long things last in the enumeration, in ticks: short enough that their ends cross in every order.
struct Span {
    let rotation: RefreshTokenRotation
    let retryWindow: Int
    static let access = 2
    static let cap = 3
    static let idle = 4
    static let absolute = 5

    static func ticks(_ count: Int) -> Duration { .seconds(10 * count) }

    var policy: RotationPolicy {
        RotationPolicy(retryWindow: Self.ticks(retryWindow), rotation: rotation)
    }

    /// How many generations behind a token may be that is not just retried.
    var generations: Int {
        switch rotation {
        case .strict: 0
        case .untilFirstUse: 1
        case .staleTolerant(let generations, _): generations
        }
    }
}

extension World {
    static let scope = Situation.scope("basic read write")
    static let currentScope = Situation.scope("basic read")
    static let narrow = Situation.scope("basic")
    static let beyond = Situation.scope("basic admin")

    private static func instant(_ tick: Int) -> VaultInstant {
        Situation.now.advanced(by: Span.ticks(tick))
    }

    var accessEnd: Int { min(issue(of: current) + Span.access, Span.absolute) }
    var isOver: Bool { now >= Span.absolute || now >= issue(of: current) + Span.idle }

    /// The row, as a vault keeps it.
    var state: GrantState {
        GrantState(
            generation: UInt32(current + 1), status: isRevoked ? .revoked : .live, owner: .good,
            createdAt: Self.instant(0), codeExpiresAt: Self.instant(0), lastSwap: Self.instant(lastSwap),
            isFirstUseSeen: isUsed, accessExpiresAt: Self.instant(accessEnd),
            isMovedByStaleToken: current > 0 && mover != current - 1,
            idleExpiresAt: Self.instant(issue(of: current) + Span.idle),
            absoluteExpiresAt: Self.instant(Span.absolute), scope: Self.scope,
            currentScope: Self.currentScope)
    }

    var moment: RotationMoment {
        RotationMoment(now: Self.instant(now), serving: Self.instant(serving))
    }

    /// The refresh token of a pair, as its own client presents it. One that was not issued yet has the times of the newest.
    func presented(_ pair: Int, scope: ScopeSet? = nil) -> PresentedCredential {
        let issue = issue(of: min(pair, current))
        return PresentedCredential(
            kind: .refreshToken, generation: UInt32(pair + 1), isFamilyProven: true, isTokenProven: true,
            isOfThisClient: true, issuedAt: Self.instant(issue),
            endsAt: Self.instant(min(issue + Span.idle, Span.absolute)), requestedScope: scope)
    }

    /// The world after a swap with the token of this pair.
    func moved(by pair: Int) -> World {
        var world = self
        world.current += 1
        world.noteIssue(of: world.current)
        world.lastSwap = serving
        world.isUsed = false
        world.mover = pair
        return world
    }
}
