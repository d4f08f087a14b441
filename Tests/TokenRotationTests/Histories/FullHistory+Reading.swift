/// How the model reads its events: always all of them, from the first.
extension FullHistory {
    /// A grant as its events that are not lost tell it.
    struct Life {
        var birth: Int?
        /// The code, then every refresh token, in order.
        var tokens: [String] = []
        var lastExchange = 0
        /// What the last exchange was made with.
        var lastBy = 0
        var pair: Pair?
        var scope: Set<String> = []
        var isRevoked = false
    }

    func life(of wanted: Int) -> Life {
        var life = Life()
        for (index, event) in events.enumerated() where !event.isLost {
            switch event.happening {
            case .authorized(wanted, let code):
                life.birth = index
                life.tokens = [code]
            case .exchanged(wanted, _, let by, let pair, let scope):
                life.lastBy = by
                life.tokens.append(pair.refresh)
                life.lastExchange = index
                life.pair = pair
                life.scope = scope
            case .revoked(wanted):
                life.isRevoked = true
            default: break
            }
        }
        return life
    }

    /// Which grant gave out this code or refresh token, after how many exchanges, and when; lost ones count.
    func find(_ request: Request) -> (grant: Int, number: Int, issue: Int)? {
        for (index, event) in events.enumerated() {
            switch event.happening {
            case .authorized(let grant, request.text) where request.kind == .code: return (grant, 0, index)
            case .exchanged(let grant, let number, _, let pair, _)
            where request.kind == .refresh && pair.refresh == request.text:
                return (grant, number, index)
            default: break
            }
        }
        return nil
    }

    func isUsed(_ wanted: Pair) -> Bool {
        events.contains { event in
            if case .used(wanted.access) = event.happening { return !event.isLost }
            return false
        }
    }

    func isOwnerOut(of grant: Int, since birth: Int) -> Bool {
        let owner = grants[grant].owner
        var isOut = false
        var isDisabled = false
        for (index, event) in events.enumerated() where !event.isLost {
            switch event.happening {
            case .ownerDisabled(owner): isDisabled = true
            case .ownerEnabled(owner): isDisabled = false
            case .ownerRevoked(owner): isOut = isOut || index > birth
            case .ownerErased(owner): isOut = true
            default: break
            }
        }
        return isOut || isDisabled
    }

    /// By the clock on the wall, which may step back.
    func wallTime(since start: Int) -> Int {
        events.dropFirst(start + 1).reduce(0) { time, event in
            switch event.happening {
            case .passed(let milliseconds), .outage(let milliseconds): time + milliseconds
            case .steppedBack(let milliseconds): time - milliseconds
            default: time
            }
        }
    }

    /// Without the outages, and never less than nothing.
    func servingTime(since start: Int) -> Int {
        let time = events.dropFirst(start + 1).reduce(0) { time, event in
            switch event.happening {
            case .passed(let milliseconds): time + milliseconds
            case .steppedBack(let milliseconds): time - milliseconds
            default: time
            }
        }
        return max(0, time)
    }
}
