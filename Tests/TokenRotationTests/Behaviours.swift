import TestSupport
import TokenRotation
import VaultCore

/// One grant of a client that behaves as clients were seen to, with the rules and a clock of its own.
struct Behaviour {
    private static let minute = 60_000
    private static let start = 1_790_000_000_000
    static let month = 30 * 24 * 60

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

    /// Machines that refresh in turn, each what it has, until the month is over; the first use is at once.
    ///
    /// - Returns: the minute of the first refusal; nil: there was none.
    mutating func takeTurns(_ machines: Int, everyMinutes step: Int) -> Int? {
        var held = Array(repeating: first, count: machines)
        var turn = 0
        while time + step < Self.month {
            time += step
            guard let pair = refresh(held[turn % machines]), isGood(pair) else { return time }
            held[turn % machines] = pair
            turn += 1
        }
        return nil
    }

    /// One process refreshes `count` times, an hour apart; then another comes with the first token.
    mutating func comeBack(after count: Int) -> Int? {
        var held = first
        for _ in 0..<count {
            time += 60
            guard let pair = refresh(held), isGood(pair) else { return time }
            held = pair
        }
        time += 60
        guard let pair = refresh(first), isGood(pair) else { return time }
        return nil
    }

    /// The answer is lost, and the request is repeated so many minutes later; at once by as many processes.
    mutating func repeatLost(afterMinutes pause: Int, processes: Int = 1) -> Int? {
        time += 60
        guard refresh(first) != nil else { return time }
        time += pause
        var answers: Set<String> = []
        for _ in 0..<processes {
            guard let pair = refresh(first), isGood(pair) else { return time }
            answers.insert(pair.refresh)
        }
        if answers.count > 1 { hasTwoWinners = true }
        return nil
    }

    /// The first token is sent every hour, for ever.
    mutating func neverKeep() -> Int? {
        while time + 60 < Self.month {
            time += 60
            guard let pair = refresh(first), isGood(pair) else { return time }
        }
        return nil
    }

    /// A thief copies what the client has after half a day, and first uses it so many minutes later.
    ///
    /// - Returns: minutes for which the thief had a good access token, and the minute in which the client was signed out.
    mutating func steal(usingAfter pause: Int, goesOn: Bool) -> (thief: Int, client: Int?) {
        let theft = 12 * 60 + 10
        var (held, stolen, booty) = (first, first, Pair?.none)
        var (life, isTried, nextRefresh) = (0, false, 60)
        while time < Self.month - 1 {
            time += 1
            if time == theft { stolen = held }
            if time >= theft + pause, !isTried || goesOn && booty.map({ !isGood($0) }) ?? false {
                booty = refresh(booty ?? stolen)
                isTried = true
            }
            if let pair = booty, isGood(pair) { life += 1 }
            guard time >= nextRefresh else { continue }
            nextRefresh += 60
            guard let pair = refresh(held), isGood(pair) else { return (life, time) }
            held = pair
        }
        return (life, nil)
    }
}
