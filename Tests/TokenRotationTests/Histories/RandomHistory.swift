import TestSupport
import TokenRotation
import VaultCore

/// One random history: the engine and the model live through the same operations and must agree on every answer.
struct RandomHistory {
    /// What the model and the engine disagree on, for the report.
    struct Disagreement: Error {
        let step: Int
        let request: Request
        let answer: String
        let verdict: String
    }

    static let clients = 2
    static let owners = 2
    static let steps = 40

    var random: SeededGenerator
    var issuer: MemoryIssuer
    var history: FullHistory
    /// The number the engine gave to each grant of the history.
    var numbers: [Int] = []
    /// Every code and token there ever was, for each grant of the history in the order of issue.
    var tokens: [[Request]] = []
    var accessTokens: [String] = []
    var lastRequest: Request?
    var backup: (tables: MemoryIssuer.Tables, events: Int)?
    var wall = 1_790_000_000_000
    var outages = 0
    var tally = Tally()

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        let cap = Duration.seconds(random.pick([60, 600, 3600, 7200]))
        let lifetimes = Lifetimes(
            code: random.pick([60_000, 600_000]),
            retryWindowSeconds: random.pick([0, 5, 10, 60, 60, 60, 600, 900]),
            rotation: random.pick([
                .strict, .strict, .untilFirstUse(cap: cap),
                .staleTolerant(generations: 1 + random.below(4), cap: cap),
            ]))
        history = FullHistory(lifetimes: lifetimes)
        issuer = MemoryIssuer(
            lifetimes: lifetimes, owners: Self.owners, random: SeededGenerator(seed: random.next()))
    }

    var moment: RotationMoment {
        RotationMoment(
            now: VaultInstant(millisecondsSince1970: Int64(wall)),
            serving: VaultInstant(millisecondsSince1970: Int64(wall - outages)))
    }

    mutating func run() throws(Disagreement) {
        for step in 0..<Self.steps {
            switch tokens.isEmpty ? 0 : random.below(100) {
            case 0..<10:
                authorize()
                // Most codes are redeemed at once.
                if let code = tokens.last?.first, random.below(4) > 0 { try exchange(code, at: step) }
            case 10..<45: try exchange(randomRequest(), at: step)
            case 45..<55: try exchange(lastRequest ?? randomRequest(), at: step)
            case 55..<68: try useAccessToken(at: step)
            case 68..<92: letTimePass()
            case 92..<96: changeStanding()
            default: backUpOrRestore()
            }
        }
        tally.reasons = issuer.reasons
    }

    private mutating func authorize() {
        let grant = FullHistory.Grant(
            client: random.below(Self.clients), owner: random.below(Self.owners),
            scope: random.pick([["basic"], ["basic", "read"], ["basic", "read", "write"]]))
        let (number, code) = issuer.authorize(
            client: grant.client, owner: grant.owner, scope: grant.scope.sorted().joined(separator: " "),
            at: moment)
        history.add(grant, code: code)
        numbers.append(number)
        tokens.append([Request(kind: .code, text: code, client: grant.client)])
    }

    private mutating func exchange(_ request: Request, at step: Int) throws(Disagreement) {
        // Once the grant has moved on, a forgery that knows the grant's secret passes for an old token, which
        // keeps no tag. The model knows better, so nobody retries a forgery here.
        lastRequest = history.find(request) == nil ? nil : request
        let verdict = history.verdict(on: request)
        let answer = issuer.exchange(request, at: moment)
        tally.count(verdict)
        let isAgreed: Bool
        switch (verdict, answer) {
        case (.newPair(let wanted), .pair(let pair, let scope)):
            // New means new: a pair that anybody has seen before is no successor.
            isAgreed = wanted == scope && !accessTokens.contains(pair.access)
            record(pair, scope: scope, for: request)
        case (.samePair(let wanted, let wantedScope), .pair(let pair, let scope)):
            isAgreed = wanted == pair && wantedScope == scope
        case (.error(let wanted, let revoked), .error(let error)):
            isAgreed = wanted == error
            if let revoked { history.add(.revoked(grant: revoked)) }
        case (.unavailable, .unavailable):
            isAgreed = true
        default:
            isAgreed = false
        }
        guard isAgreed else {
            throw Disagreement(step: step, request: request, answer: "\(answer)", verdict: "\(verdict)")
        }
    }

    private mutating func record(_ pair: Pair, scope: Set<String>, for request: Request) {
        guard let (grant, by, _) = history.find(request) else { return }
        let number = history.life(of: grant).tokens.count
        history.add(.exchanged(grant: grant, number: number, by: by, pair: pair, scope: scope))
        tokens[grant].append(Request(kind: .refresh, text: pair.refresh, client: request.client))
        accessTokens.append(pair.access)
    }

    private mutating func useAccessToken(at step: Int) throws(Disagreement) {
        guard !accessTokens.isEmpty else { return }
        let recent = Array(accessTokens.suffix(2))
        let access = random.below(3) > 0 ? random.pick(recent) : random.pick(accessTokens)
        let verdict = history.accepts(access: access)
        let answer = issuer.accept(access: access, at: moment)
        guard verdict == answer else {
            let request = Request(kind: .access, text: access, client: 0)
            throw Disagreement(step: step, request: request, answer: "\(answer)", verdict: "\(verdict)")
        }
        tally.count(isAccessAccepted: verdict)
        if verdict { history.add(.used(access: access)) }
    }
}
