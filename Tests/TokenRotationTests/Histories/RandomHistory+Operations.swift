import TestSupport
import TokenRotation

/// What happens to a random history, and what it is asked.
extension RandomHistory {
    /// Mostly a code or a refresh token of the newest exchanges; else an old, stolen, misplaced or forged one.
    mutating func randomRequest() -> Request {
        let known = random.pick(tokens)
        var request =
            switch random.below(10) {
            case 0..<5: known[known.count - 1]
            case 5..<8: known[max(0, known.count - 2)]
            default: random.pick(known)
            }
        switch random.below(24) {
        case 0: request.client = 1 - request.client
        case 1: request.kind = request.kind == .code ? .refresh : .code
        case 2: request.text = forged(from: request.text)
        default: break
        }
        request.scope = random.pick([nil, nil, nil, nil, "basic", "read basic", "basic write", "admin"])
        return request
    }

    /// What somebody could send who guesses, or who has the handle key but not the grant's secret.
    private mutating func forged(from text: String) -> String {
        guard var handle = Handle(text: text) else { return text }
        handle.nonce = random.next()
        switch random.below(5) {
        case 0: return "\(text)x"
        case 1: return "rt_"
        case 2: handle.family = random.next()
        case 3:
            handle.family = random.next()
            handle.generation = UInt32(random.below(6))
        default:
            // The grant's secret is known as well, but not this token: nobody may pass with it where a tag is kept.
            guard let row = issuer.tables.rows[handle.grant] else { return text }
            handle.family = row.family
            handle.generation = row.state.generation
            handle.kind = handle.generation == 0 ? .code : .refresh
        }
        return handle.text
    }

    mutating func letTimePass() {
        switch random.below(12) {
        case 0..<6:
            pass(random.pick([1, 999, 4_999, 5_000, 9_999, 10_000]))
        case 6..<9:
            pass(random.pick([1, 49_999, 50_000, 59_999, 60_000, 299_999, 300_000]))
        case 9:
            pass(random.pick([599_999, 600_000, 3_599_999, 3_600_000, 10_800_000]))
        case 10:
            let milliseconds = random.pick([1, 1_000, 60_000, 700_000])
            wall -= milliseconds
            history.add(.steppedBack(milliseconds: milliseconds))
        default:
            let milliseconds = random.pick([1_000, 60_000, 600_000])
            wall += milliseconds
            outages += milliseconds
            history.add(.outage(milliseconds: milliseconds))
        }
    }

    private mutating func pass(_ milliseconds: Int) {
        wall += milliseconds
        history.add(.passed(milliseconds: milliseconds))
    }

    mutating func changeStanding() {
        let owner = random.below(Self.owners)
        switch random.below(12) {
        case 0..<3:
            issuer.tables.owners[owner].isDisabled = true
            history.add(.ownerDisabled(owner))
        case 3..<8:
            issuer.tables.owners[owner].isDisabled = false
            history.add(.ownerEnabled(owner))
        case 8:
            issuer.tables.owners[owner].revocations += 1
            history.add(.ownerRevoked(owner))
        case 9:
            issuer.tables.owners[owner].isErased = true
            history.add(.ownerErased(owner))
        default:
            let grant = random.below(numbers.count)
            // A grant that was lost in a restore is no longer there to be revoked, and its number may be another's.
            guard history.life(of: grant).birth != nil else { return }
            issuer.revoke(numbers[grant])
            history.add(.revoked(grant: grant))
        }
    }

    /// An operator saves the database, or puts the saved one back.
    mutating func backUpOrRestore() {
        if let backup, random.below(2) == 0 {
            issuer.tables = backup.tables
            history.restore(to: backup.events)
        } else {
            backup = (issuer.tables, history.events.count)
        }
    }
}
