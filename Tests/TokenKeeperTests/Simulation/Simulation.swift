import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// One history of one connection: several workers of several processes, a provider with its faults, crashes and time, in an
/// order that a seed decides.
///
/// The keeper's machine, the vault and its file are the real ones; only who acts next, the network and the clocks are not. Each
/// step ends before the next begins, so that a seed gives the same history again. What must not happen is written down as
/// it is seen.
final class Simulation {
    let seed: UInt64
    let machine: SimulatedMachine
    let mutant: Mutant?
    let policy: Provider.ReplayPolicy
    let server: ScriptedProvider
    let transport: ScriptedTransport
    let dialect: ProviderDialect
    let connection: ConnectionID
    let schedule: RefreshSchedule
    var dice: Dice
    var workers: [SimulatedWorker] = []
    var flights: [SimulatedFlight] = []
    var begun = 0
    var sent = 0
    /// The row, as it was seen after the last change.
    var row: HeldConnection
    /// Access tokens that were found in the row, by generation.
    var committed: [Int64: String] = [:]
    /// Settlements whose tokens were stored.
    var stored = 0
    /// Generations whose refresh token went out once, its outcome not known.
    var uncertain: Set<Int64> = []
    /// The provider said no to a token that it would take.
    var wasRefusedWrongly = false
    /// A proxy on the way sent a request twice.
    var wasSentTwice = false
    /// Nothing fails any more.
    var isResting = false
    var violations: [String] = []
    var story: [String] = []

    static let callTimeout = Duration.seconds(30)
    static let leaseSpan = Duration.seconds(45)
    private static let workersAtOnce = 4

    init(seed: UInt64, on machine: SimulatedMachine, mutant: Mutant? = nil) async throws {
        self.seed = seed
        self.machine = machine
        self.mutant = mutant
        machine.time.beginHistory()
        var dice = Dice(seed: seed)
        let policy = dice.pick(SimulatedPolicy.all)
        let entry = SimulatedPolicy.entry(policy)
        var options = ScriptedOptions(entry)
        options.replaySuccessor = dice.oneIn(2) ? .same : .another
        if policy == .tolerated { options.rotation = dice.pick([.always, .never, .sometimes]) }
        options.refreshEndsOldAccessTokens = dice.oneIn(4)
        let faults = SimulatedPolicy.faults(&dice, allowingTwice: policy != .revokes)
        server = ScriptedProvider(
            entry, options: options, seed: seed, faults: faults,
            now: { [time = machine.time] in time.trueNow })
        transport = ScriptedTransport(server)
        let believed = mutant == .replaysUnderRevokes && policy == .revokes ? .rejected : policy
        dialect = ProviderDialect(
            SimulatedPolicy.entry(believed),
            ProviderCredentials(
                clientID: options.clientID, clientSecret: SecretBytes(copying: options.clientSecret)))
        schedule = RefreshSchedule(margin: .seconds(300), rules: entry.expiry)
        self.policy = policy
        self.dice = dice
        let granted = server.grant(scope: ["read"])
        var tokens = NewTokens(accessToken: SecretBytes(copying: granted.accessToken))
        tokens.refreshToken = granted.refreshToken.map { SecretBytes(copying: $0) }
        tokens.accessExpiresAt = granted.accessExpiresAt
        row = try await machine.vaults[0].storeConnection(
            ConnectionGrant(
                machine.provider, machine.owner, label: "seed-\(seed)-\(mutant.map { "\($0)" } ?? "")",
                tokens: tokens))
        connection = row.id
        committed[row.generation] = granted.accessToken
    }

    /// Plays the history to its end and says what went wrong in it.
    func run() async throws -> [String] {
        note("\(policy)")
        let steps = 12 + dice.below(36)
        for _ in 0..<steps where violations.isEmpty { try await happen() }
        try await comeToRest()
        return violations
    }

    /// The next thing.
    private func happen() async throws {
        switch dice.below(20) {
        case 0...2 where workers.count < Self.workersAtOnce: begin()
        case 3: passTime()
        case 4 where dice.oneIn(3): setWall()
        case 5 where dice.oneIn(2): try await killOne()
        case 6 where dice.oneIn(4): try await killProcess(dice.below(SimulatedMachine.handles))
        case 7...10: arrive()
        default:
            if workers.isEmpty { begin() } else { try await advance(dice.below(workers.count)) }
        }
    }

    /// Somebody comes and finds the connection wanting.
    func begin(isForced: Bool = false) {
        begun += 1
        let handle = dice.below(SimulatedMachine.handles)
        // An operator may ask for it even where the user has to consent again.
        let isForced = isForced || dice.oneIn(4)
        guard row.connection.state == .live || (isForced && row.connection.state == .needsConsent) else {
            return
        }
        let holder = (0..<16).map { UInt8(truncatingIfNeeded: begun &* 31 &+ $0) }
        // Of no revision that there is: a refused client stops nobody in the histories that follow.
        let terms = RefreshTerms(
            dialect, schedule, revision: 0, holder: holder, leaseSpan: Self.leaseSpan, isForced: isForced)
        var attempt = RefreshAttempt(row, terms: terms)
        let step = attempt.next(.begin)
        workers.append(
            SimulatedWorker(number: begun, handle: handle, terms: terms, attempt: attempt, step: step))
        note("worker \(begun) of process \(handle) begins at generation \(row.generation)")
    }

    private func passTime() {
        let window: Duration =
            switch policy {
            case .within(let window), .untilFirstUse(.some(let window)): window
            default: .seconds(120)
            }
        let span = dice.pick([
            dice.seconds(1...20), dice.seconds(1...20), Self.callTimeout + .seconds(1),
            Self.leaseSpan + .seconds(1),
            window + .seconds(1), .seconds(3601),
        ])
        machine.time.advance(by: span)
        note("\(span) pass")
    }

    private func setWall() {
        let ahead = dice.pick([.zero, dice.seconds(1...7200), .zero - dice.seconds(1...7200)])
        machine.time.setWall(ahead: ahead)
        note("the wall clock is \(ahead) ahead")
    }

    private func killOne() async throws {
        guard !workers.isEmpty else { return }
        try await kill(workers.remove(at: dice.below(workers.count)))
    }

    private func killProcess(_ handle: Int) async throws {
        note("process \(handle) dies")
        for worker in workers where worker.handle == handle { try await kill(worker) }
        workers.removeAll { $0.handle == handle }
    }

    private func kill(_ worker: SimulatedWorker) async throws {
        note("worker \(worker.number) dies")
        guard let number = worker.flight, let index = flights.firstIndex(where: { $0.number == number })
        else {
            return
        }
        flights[index].isOrphan = true
        uncertain.insert(flights[index].generation)
        // What was under way may still arrive, or not.
        if flights[index].answer != nil || dice.oneIn(2) { flights.remove(at: index) }
        if mutant == .forgetsIntents, let leased = worker.leased {
            _ = try await machine.vaults[0].settleRefresh(
                Settlement(
                    connection, generation: leased.generation, fence: leased.fence,
                    .unsettled(reason: "crash", isSent: false), dueAt: nil))
            try await look()
        }
    }

    /// A request reaches the provider.
    private func arrive() {
        let travelling = flights.indices.filter { flights[$0].answer == nil }
        guard !travelling.isEmpty else { return }
        deliver(dice.pick(travelling))
    }

    func deliver(_ index: Int) {
        let flight = flights[index]
        machine.time.advance(to: flight.sentAt + flight.exchange.arrivesAfter)
        let told = flight.exchange.apply()
        note("request \(flight.number) arrives (\(flight.exchange.fault.map { "\($0)" } ?? "no fault"))")
        if flight.exchange.fault == .duplicate { wasSentTwice = true }
        flights[index].answer = (told, machine.time.monotonic() + told.arrivesAfter)
        if flight.isOrphan { flights.remove(at: index) }
        if policy == .revokes, server.replays > 0 {
            violate("a refresh token reached a provider that revokes for it, again")
        }
    }

    func note(_ event: @autoclosure () -> String) {
        if KeeperSeed.isChosen { story.append(event()) }
    }

    func violate(_ what: String) {
        note("VIOLATION: " + what)
        violations.append(what)
    }
}
