import TokenVault
package import VaultCore

/// One refresh of one connection, as a machine without clock or I/O: it names the next step, its driver takes
/// that step and says what came of it.
///
/// ```
///  begin ─► lease ──────────► send ─────────► settle ─────────► finish
///           (intent durable)   (once)          (outcome durable)   tokens are handed out from here on
///             │ held by another: pause, look     │ storage trouble: pause, settle again
///             │ moved on, lost: finish           │ no answer, and the provider bears a repeat: lease again, once
///             │ not known whether granted: pause, lease again
/// ```
///
/// Invariants: nothing is sent before a lease was granted; one lease, one send; tokens leave only after they were settled;
/// a worker that lost its lease changes nothing but by tokens of the generation it spent.
package struct RefreshAttempt: Sendable {
    package enum Step: Sendable {
        case lease(LeaseRequest)
        case send(ProviderRequest, HeldConnection)
        case settle(Settlement)
        /// Wait, then say `.paused`.
        case pause(Duration)
        case finish(RefreshOutcome)
    }

    package enum Event: Sendable {
        case begin
        case leased(LeaseAnswer)
        case answered(ProviderAnswer, at: VaultInstant)
        case settled(SettleAnswer)
        case paused
        /// The vault refused a step.
        case failed(VaultError)
    }

    private enum State: Sendable {
        case ready
        case leasing
        case waiting
        case sending(HeldConnection)
        case settling(Settlement, HeldConnection, tries: Int)
        case pausingBeforeSettle(Settlement, HeldConnection, tries: Int)
        case pausingBeforeRepeat
        case done
    }

    package let connection: ConnectionID
    private let generation: Int64
    private var failures: Int64
    private let terms: RefreshTerms
    private var state = State.ready
    private var polls = 0
    /// Since it is not known whether a lease was granted.
    private var unansweredLeases = 0
    private var repeats = 0

    /// - Parameter held: as it was read when it needed a refresh.
    package init(_ held: HeldConnection, terms: RefreshTerms) {
        connection = held.id
        generation = held.generation
        failures = held.connection.failures
        self.terms = terms
    }

    /// The step that follows an event.
    package mutating func next(_ event: Event) -> Step {
        switch (state, event) {
        case (.ready, .begin), (.pausingBeforeRepeat, .paused), (.waiting, .paused):
            return lease()
        case (.leasing, .leased(let answer)):
            unansweredLeases = 0
            return follow(answer)
        case (.leasing, .failed(let error)) where error.code == .outcomeUnknown || unansweredLeases > 0:
            // Given up now, an intent that is on the disk would look like a token that went out.
            guard let pause = Self.settlePause(after: error, tries: unansweredLeases) else {
                return finish(.storage(error))
            }
            unansweredLeases += 1
            state = .waiting
            return .pause(pause)
        case (.sending(let held), .answered(let answer, let now)):
            return settle(terms.settlement(of: answer, for: held, at: now), held)
        case (.settling(let settlement, let held, _), .settled(let answer)):
            return conclude(answer, sent: held, settlement.outcome)
        case (.settling(let settlement, let held, let tries), .failed(let error)):
            guard let pause = Self.settlePause(after: error, tries: tries) else {
                return finish(.storage(error))
            }
            state = .pausingBeforeSettle(settlement, held, tries: tries)
            return .pause(pause)
        case (.pausingBeforeSettle(let settlement, let held, let tries), .paused):
            state = .settling(settlement, held, tries: tries + 1)
            return .settle(settlement)
        case (_, .failed(let error)):
            return finish(.storage(error))
        default:
            return finish(
                .storage(VaultError(.internalError, "A refresh took a step that was not its turn.")))
        }
    }

    /// How long to wait before tokens in hand are stored again: 0.1 to 6.4 s, 32 s together, and each try waits for its
    /// turn besides. Nil: no more.
    static func settlePause(after error: VaultError, tries: Int) -> Duration? {
        error.isTransient && tries < 10 ? .milliseconds(100 << min(tries, 6)) : nil
    }

    /// Looks at another's lease, which lasts less than a minute.
    private static let pollLimit = 400

    private mutating func lease() -> Step {
        state = .leasing
        return .lease(terms.lease(connection, generation: generation, failures: failures))
    }

    private mutating func follow(_ answer: LeaseAnswer) -> Step {
        switch answer {
        case .leased(let held):
            guard let request = terms.request(for: held) else {
                return settle(
                    Settlement(
                        held.id, generation: held.generation, fence: held.fence,
                        .refused(terms.nothingToRefresh), dueAt: nil), held)
            }
            state = .sending(held)
            return .send(request, held)
        case .held(let held, _):
            return wait(held)
        case .moved(let held) where held.generation == generation && held.connection.state.isRefreshed:
            // It tried and got nothing; its word on when to try again counts for us too.
            return finish(.failed(held))
        case .moved(let held):
            return finish(.current(held))
        case .lost(let held):
            return finish(.refused(held))
        }
    }

    /// Another worker is at it: its result is ours.
    private mutating func wait(_ held: HeldConnection) -> Step {
        polls += 1
        guard polls < Self.pollLimit else { return finish(.failed(held)) }
        state = .waiting
        return .pause(.milliseconds(min(10 + 10 * polls, 200)))
    }

    private mutating func settle(_ settlement: Settlement, _ held: HeldConnection) -> Step {
        state = .settling(settlement, held, tries: 0)
        return .settle(settlement)
    }

    private mutating func conclude(
        _ answer: SettleAnswer, sent: HeldConnection, _ outcome: Settlement.Outcome
    ) -> Step {
        switch answer {
        case .superseded(let held):
            return finish(.current(held))
        case .settled(let held) where held.generation != sent.generation:
            return finish(.refreshed(held))
        case .settled(let held) where !held.connection.state.isRefreshed:
            return finish(.refused(held))
        case .settled(let held):
            guard case .unsettled(_, isSent: true) = outcome, held.attempt != nil, held.reply == nil,
                terms.repeatsAtOnce, repeats == 0
            else { return finish(.failed(held)) }
            repeats += 1
            failures = held.connection.failures
            state = .pausingBeforeRepeat
            return .pause(.milliseconds(200))
        }
    }

    private mutating func finish(_ outcome: RefreshOutcome) -> Step {
        state = .done
        return .finish(outcome)
    }
}

/// What came of asking the provider.
package enum ProviderAnswer: Sendable {
    case reply(ReplyReading<NewTokens>, raw: SecretBytes)
    case failure(TransportFailure)
}

/// How a refresh ended.
package enum RefreshOutcome: Sendable {
    /// By this worker; the tokens are on the disk.
    case refreshed(HeldConnection)
    /// There was nothing to do any more: this is how things stand.
    case current(HeldConnection)
    /// The user has to consent again.
    case refused(HeldConnection)
    /// Not now; `dueAt` says when.
    case failed(HeldConnection)
    case storage(VaultError)
}
