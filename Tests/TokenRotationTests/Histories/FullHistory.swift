import VaultCore

/// The slow and obvious model: it forgets nothing, and decides by reading everything that ever happened.
///
/// It never looks inside a token. It knows no generations, no clocks and no columns: which token came after which,
/// and how long ago, it counts off the list of events.
struct FullHistory {
    enum Happening {
        case authorized(grant: Int, code: String)
        /// The `number`-th exchange of the grant gave this pair, for what the one `by` had given.
        case exchanged(grant: Int, number: Int, by: Int, pair: Pair, scope: Set<String>)
        case used(access: String)
        case revoked(grant: Int)
        case ownerDisabled(Int)
        case ownerEnabled(Int)
        case ownerRevoked(Int)
        case ownerErased(Int)
        case passed(milliseconds: Int)
        case outage(milliseconds: Int)
        case steppedBack(milliseconds: Int)
    }

    struct Event {
        let happening: Happening
        /// An older copy of the database was restored over it.
        ///
        /// The tokens it gave out are still out there.
        var isLost = false
    }

    struct Grant {
        let client: Int
        let owner: Int
        let scope: Set<String>
    }

    enum Verdict: Equatable {
        case newPair(scope: Set<String>)
        case samePair(Pair, scope: Set<String>)
        case error(String, revokes: Int?)
        case unavailable
    }

    let lifetimes: Lifetimes
    private(set) var grants: [Grant] = []
    private(set) var events: [Event] = []

    init(lifetimes: Lifetimes) { self.lifetimes = lifetimes }

    mutating func add(_ grant: Grant, code: String) {
        grants.append(grant)
        add(.authorized(grant: grants.count - 1, code: code))
    }

    mutating func add(_ happening: Happening) { events.append(Event(happening: happening)) }

    /// Everything since then is lost, but for the time that went by.
    mutating func restore(to count: Int) {
        for index in events.indices.dropFirst(count) { events[index].isLost = true }
    }

    func verdict(on request: Request) -> Verdict {
        let denied = Verdict.error("invalid_grant", revokes: nil)
        guard let found = find(request), grants[found.grant].client == request.client else { return denied }
        let life = life(of: found.grant)
        guard let birth = life.birth else { return denied }
        let last = life.tokens.count - 1
        // A restored copy has given out other tokens in the place of this one.
        if found.number <= last, found.number >= last - 1, life.tokens[found.number] != request.text {
            return denied
        }
        if life.isRevoked || isOwnerOut(of: found.grant, since: birth) { return denied }
        if wallTime(since: birth) >= lifetimes.absolute { return denied }
        if last > 0, wallTime(since: life.lastExchange) >= lifetimes.idle { return denied }

        let reuse = Verdict.error("invalid_grant", revokes: found.grant)
        let whole = grants[found.grant].scope
        if request.kind == .code {
            if last > 0 { return wallTime(since: birth) < 600_000 ? reuse : denied }
            return wallTime(since: birth) < lifetimes.code ? .newPair(scope: whole) : denied
        }
        if found.number > last { return .unavailable }
        let wanted = request.scope.map { Set($0.split(separator: " ").map(String.init)) }
        let scope = wanted ?? whole
        let new =
            scope.isSubset(of: whole)
            ? Verdict.newPair(scope: scope) : .error("invalid_scope", revokes: nil)
        if found.number == last { return new }
        guard let pair = life.pair, isRetry(found.number, of: life) || isTolerated(found, life, birth) else {
            return reuse
        }
        if lifetimes.rotation != .strict, !isAccessAlive(life, birth) { return new }
        if let wanted, wanted != life.scope { return .error("invalid_scope", revokes: nil) }
        return .samePair(pair, scope: life.scope)
    }

    private func isRetry(_ number: Int, of life: Life) -> Bool {
        guard let pair = life.pair, number == life.tokens.count - 2 else { return false }
        let retryWindow = min(lifetimes.retryWindowSeconds, 600) * 1000
        let window = isUsed(pair) ? min(retryWindow, 10_000) : retryWindow
        return servingTime(since: life.lastExchange) < window
    }

    private func isAccessAlive(_ life: Life, _ birth: Int) -> Bool {
        wallTime(since: life.lastExchange) < lifetimes.access && wallTime(since: birth) < lifetimes.absolute
    }

    /// What the policy takes of tokens that were replaced.
    private func isTolerated(_ found: (grant: Int, number: Int, issue: Int), _ life: Life, _ birth: Int)
        -> Bool
    {
        let replacements = life.tokens.count - 1 - found.number
        let (serving, issue) = (servingTime(since: life.lastExchange), max(0, wallTime(since: found.issue)))
        let isOwnLifeLeft = issue < lifetimes.idle
        let (generations, cap): (Int, Duration)
        switch lifetimes.rotation {
        case .strict: return false
        case .untilFirstUse(let time): (generations, cap) = (1, time)
        case .staleTolerant(let count, let time): (generations, cap) = (count, time)
        }
        let age = replacements == 1 ? serving : issue
        if isOwnLifeLeft, replacements <= generations, .milliseconds(age) < cap { return true }
        // Where the exchange before was made with such a token, it may be this one.
        let isOfStaleToken = life.lastBy != life.tokens.count - 2
        guard isOfStaleToken, replacements > 1, isAccessAlive(life, birth) else { return false }
        return replacements <= generations + 1
            && (replacements == 2 || isOwnLifeLeft && .milliseconds(issue - serving) < cap)
    }

    func accepts(access: String) -> Bool {
        for (index, event) in events.enumerated() {
            guard case .exchanged(let grant, let number, _, let pair, _) = event.happening,
                pair.access == access
            else { continue }
            let life = life(of: grant)
            guard !event.isLost, let birth = life.birth, !life.isRevoked, !isOwnerOut(of: grant, since: birth)
            else { return false }
            return number >= life.tokens.count - 2 && wallTime(since: index) < lifetimes.access
                && wallTime(since: birth) < lifetimes.absolute
        }
        return false
    }
}
