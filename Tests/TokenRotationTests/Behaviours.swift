import TestSupport
import TokenRotation
import VaultCore

/// One grant of a client that behaves as clients were seen to, with the rules and a clock of its own.
/// `Tests/RotationMatrix/behaviour.py` does the same over HTTP.
struct Behaviour {
    private static let minute = 60_000
    private static let start = 1_790_000_000_000
    static let month = 30 * 24 * 60
    /// When a thief copies a token, and how often it looks whether its access token still works. Odd and even: so no token
    /// ends in the minute in which another is asked for.
    private static let theft = 12 * 60 + 11
    private static let look = 8

    private var issuer: MemoryIssuer
    /// Minutes since the user signed in.
    private(set) var time = 0
    private let first: Pair
    /// An answer that was neither the newest pair nor the one before it: there would be two winners.
    private(set) var hasTwoWinners = false
    private var newest: Pair

    init(_ rotation: RefreshTokenRotation) {
        var lifetimes = Lifetimes(code: 60_000, retryWindowSeconds: 60, rotation: rotation)
        (lifetimes.access, lifetimes.idle) = (60 * Self.minute, Self.month * Self.minute)
        lifetimes.absolute = Self.month * Self.minute
        issuer = MemoryIssuer(lifetimes: lifetimes, owners: 1, random: SeededGenerator(seed: 1))
        let moment = Self.moment(0)
        let (_, code) = issuer.authorize(client: 0, owner: 0, scope: "basic", at: moment)
        let answer = issuer.exchange(Request(kind: .code, text: code, client: 0), at: moment)
        guard case .pair(let pair, _) = answer else { preconditionFailure("a code gives a pair") }
        (first, newest) = (pair, pair)
    }

    private static func moment(_ minutes: Int) -> RotationMoment {
        let instant = VaultInstant(millisecondsSince1970: Int64(start + minutes * minute))
        return RotationMoment(now: instant, serving: instant)
    }

    /// Nil: refused.
    private mutating func refresh(_ pair: Pair) -> Pair? {
        let request = Request(kind: .refresh, text: pair.refresh, client: 0)
        let isAlive = isGood(newest)
        guard case .pair(let answer, _) = issuer.exchange(request, at: Self.moment(time)) else { return nil }
        // A new pair is made of the newest token, or when nothing else is good any more.
        if answer != newest, pair != newest, isAlive { hasTwoWinners = true }
        newest = answer
        return answer
    }

    /// Whether an API accepts the access token, which counts as use.
    private mutating func isGood(_ pair: Pair) -> Bool {
        issuer.accept(access: pair.access, at: Self.moment(time))
    }

    /// Refreshes, and uses the new access token at once; nil: the client is signed out.
    private mutating func use(_ pair: Pair) -> Pair? {
        refresh(pair).flatMap { isGood($0) ? $0 : nil }
    }

    /// Machines that refresh in turn, each what it has, until the month is over.
    ///
    /// - Returns: the minute of the first refusal; nil: there was none.
    mutating func takeTurns(_ machines: Int, everyMinutes step: Int) -> Int? {
        var held = Array(repeating: first, count: machines)
        var turn = 0
        while time + step < Self.month {
            time += step
            guard let pair = use(held[turn % machines]) else { return time }
            held[turn % machines] = pair
            turn += 1
        }
        return nil
    }

    /// One process refreshes `count` times; then another comes with the first token.
    mutating func comeBack(after count: Int, everyMinutes step: Int) -> Int? {
        var held = first
        for _ in 0..<count {
            time += step
            guard let pair = use(held) else { return time }
            held = pair
        }
        time += step
        return use(first) == nil ? time : nil
    }

    /// The answer is lost, and the request is repeated so many minutes later; at once by as many processes.
    mutating func repeatLost(afterMinutes pause: Int, processes: Int) -> Int? {
        time += 60
        guard refresh(first) != nil else { return time }
        time += pause
        return crowd(processes)
    }

    /// As many processes refresh after an hour, all in the same moment.
    mutating func refreshAtOnce(processes: Int) -> Int? {
        time += 60
        return crowd(processes)
    }

    private mutating func crowd(_ processes: Int) -> Int? {
        var answers: Set<String> = []
        for _ in 0..<processes {
            guard let pair = use(first) else { return time }
            answers.insert(pair.refresh)
        }
        if answers.count > 1 { hasTwoWinners = true }
        return nil
    }

    /// The first token is sent for ever.
    mutating func neverKeep(everyMinutes step: Int) -> Int? {
        while time + step < Self.month {
            time += step
            guard use(first) != nil else { return time }
        }
        return nil
    }

    /// The client refreshes hourly; a thief copies what it has after half a day, and first uses it so many minutes later.
    ///
    /// - Returns: minutes for which the thief had a good access token, and whether the client was signed out.
    mutating func steal(usingAfter pause: Int, goesOn: Bool) -> (thief: Int, isClientOut: Bool) {
        var (held, stolen, booty) = (Pair?.some(first), Pair?.none, Pair?.none)
        var (life, nextRefresh, nextLook) = (0, 60, Self.theft)
        let end = Self.month - 1
        while min(nextRefresh, nextLook) < end {
            time = min(nextRefresh, nextLook)
            if time == nextRefresh {
                held = held.flatMap { use($0) }
                nextRefresh = held == nil ? end : time + 60
            } else if stolen == nil {
                stolen = held
                nextLook += pause
            } else {
                let isOld = booty.map { !isGood($0) } ?? true
                if isOld, booty == nil || goesOn { booty = (booty ?? stolen).flatMap { use($0) } }
                let isAlive = booty.map { isGood($0) } ?? false
                life += isAlive ? Self.look : 0
                nextLook = isAlive ? nextLook + Self.look : end
            }
        }
        return (life, held == nil)
    }
}
