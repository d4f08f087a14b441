import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

/// A worker's steps, each with what must be true of it.
extension Simulation {
    func advance(_ index: Int) async throws {
        let worker = workers[index]
        switch worker.step {
        case .lease(let request): try await lease(index, request)
        case .send where worker.flight != nil: hear(index)
        case .send(let request, let held): send(index, request, held)
        case .settle(let settlement): try await settle(index, settlement)
        case .pause(let span):
            // Who waits for a dead worker's lease need not look two hundred times.
            machine.time.advance(by: flights.isEmpty && dice.oneIn(4) ? max(span, .seconds(10)) : span)
            follow(index, .paused)
        case .finish(let outcome):
            workers.remove(at: index)
            finish(worker, outcome)
        }
    }

    private func follow(_ index: Int, _ event: RefreshAttempt.Event) {
        workers[index].step = workers[index].attempt.next(event)
    }

    private func lease(_ index: Int, _ request: LeaseRequest) async throws {
        let worker = workers[index]
        let before = row
        let answer = try await machine.vaults[worker.handle].leaseRefresh(request)
        try await look()
        switch answer {
        case .leased(let held):
            note("worker \(worker.number) has lease \(held.fence)")
            workers[index].leased = held
            if row.attempt == nil { violate("a lease without an intent on the disk") }
        case .lost: judgeGivingUp(before)
        case .held, .moved: note("worker \(worker.number) waits, or has nothing to do")
        }
        follow(index, isUnheard() ? .failed(Self.unheard) : .leased(answer))
    }

    /// Given up without asking: allowed only where asking again might do harm.
    private func judgeGivingUp(_ before: HeldConnection) {
        note("given up: the token went out and must not again")
        guard let attempt = before.attempt else { return violate("given up although nothing went out") }
        let age = attempt.age(
            at: machine.time.now(), monotonic: machine.time.reading())
        switch policy {
        case .revokes: break
        case .within(let window), .untilFirstUse(.some(let window)):
            if let age, age < window - min(window / 4, .seconds(30)) { violate("given up within the window") }
        case .tolerated, .rejected, .untilFirstUse(nil): violate("given up where a repeat does no harm")
        }
    }

    private func send(_ index: Int, _ request: ProviderRequest, _ held: HeldConnection) {
        let now = machine.time.reading()
        guard workers[index].terms.isInTime(held, at: now, callTimeout: Self.callTimeout) else {
            note("worker \(workers[index].number) was away for too long to send")
            return follow(index, .answered(.failure(.notSent(.timeout)), at: machine.time.now()))
        }
        var request = request
        request.timeout = Self.callTimeout
        sent += 1
        let exchange = transport.plan(request)
        if policy == .revokes, uncertain.contains(held.generation) {
            violate("generation \(held.generation) went out again after an outcome that is not known")
        }
        note("worker \(workers[index].number) sends request \(sent) with generation \(held.generation)")
        flights.append(
            SimulatedFlight(
                number: sent, generation: held.generation, sentAt: machine.time.monotonic(),
                exchange: exchange))
        workers[index].flight = sent
    }

    /// The answer comes, or the worker has waited long enough.
    ///
    /// A worker that was not let run for a while finds an answer that came in time even long after.
    private func hear(_ index: Int) {
        guard case .send(_, let held) = workers[index].step,
            let place = flights.firstIndex(where: { $0.number == workers[index].flight })
        else { return }
        let flight = flights[place]
        var outcome = Result<ProviderReply, TransportFailure>.failure(.ambiguous(.timeout))
        if let answer = flight.answer, answer.at <= flight.deadline {
            machine.time.advance(to: answer.at)
            outcome = answer.told.outcome
        } else {
            // It does not give up before its time while the request may still arrive.
            guard machine.time.monotonic() >= flight.deadline || flight.answer != nil || dice.oneIn(4) else {
                return
            }
            machine.time.advance(to: flight.deadline)
        }
        workers[index].flight = nil
        if flight.answer == nil { flights[place].isOrphan = true } else { flights.remove(at: place) }
        let answer = reading(outcome, held)
        switch answer {
        case .failure(.ambiguous), .reply(.ambiguous, _), .reply(.unreadable, _):
            uncertain.insert(held.generation)
        case .reply(.refused, _) where flight.exchange.fault == .errorUnder200("invalid_grant"):
            wasRefusedWrongly = true
        case .reply(.granted(let granted), _) where mutant == .handsOutBeforeSettle:
            handOut(granted.accessToken, held.generation + 1)
        default: break
        }
        note("worker \(workers[index].number) hears \(brief(answer))")
        follow(index, .answered(answer, at: machine.time.now()))
    }

    private func reading(
        _ outcome: Result<ProviderReply, TransportFailure>, _ held: HeldConnection
    ) -> ProviderAnswer {
        switch outcome {
        case .success(let reply):
            let sent = [held.pair?.accessToken, held.pair?.refreshToken].compactMap { $0 }
            return .reply(
                dialect.read(reply, to: .refresh, at: machine.time.now(), sent: sent), raw: reply.body)
        case .failure(.ambiguous(let cause)) where mutant == .takesSilenceForNotSent:
            return .failure(.notSent(cause))
        case .failure(let failure): return .failure(failure)
        }
    }

    private func settle(_ index: Int, _ settlement: Settlement) async throws {
        let worker = workers[index]
        let before = row
        let isLate = before.fence != settlement.fence
        var changed = settlement
        if mutant == .losersSettle { changed.fence = before.fence }
        let answer: SettleAnswer
        if isLate, isDropped(settlement.outcome) {
            answer = .superseded(before)
        } else {
            answer = try await machine.vaults[worker.handle].settleRefresh(changed)
        }
        try await look()
        note("worker \(worker.number) settles\(isLate ? " late" : ""): \(brief(settlement.outcome))")
        judge(settlement, before, isLate: isLate)
        follow(index, isUnheard() ? .failed(Self.unheard) : .settled(answer))
    }

    private func isDropped(_ outcome: Settlement.Outcome) -> Bool {
        switch outcome {
        case .tokens: mutant == .dropsLateTokens
        case .unreadable: mutant == .dropsLateReplies
        default: false
        }
    }

    private func judge(_ settlement: Settlement, _ before: HeldConnection, isLate: Bool) {
        let isCurrent = before.generation == settlement.generation
        switch settlement.outcome {
        case .tokens(let tokens):
            let isStored = row.pair?.accessToken.revealed == tokens.accessToken.revealed
            if row.generation > before.generation { stored += 1 }
            if isCurrent, !isStored { violate("granted tokens were dropped at their own generation") }
        case .unreadable where isCurrent && row.reply == nil:
            violate("a reply that holds tokens was dropped at its own generation")
        case .unreadable:
            if holdsTokens(before.reply), !holdsTokens(row.reply) {
                violate("a kept reply with tokens was thrown away")
            }
        case _ where isLate:
            if !row.isSame(as: before) { violate("a worker that lost its lease changed the row") }
        default: break
        }
    }

    private func holdsTokens(_ reply: SecretBytes?) -> Bool {
        reply?.revealed.contains("access_token") ?? false
    }

    /// The vault did as it was asked, but the caller was told that nobody knows.
    private func isUnheard() -> Bool { !isResting && dice.oneIn(60) }

    private static var unheard: VaultError { VaultError(.outcomeUnknown, "The simulated disk said nothing.") }

    private func finish(_ worker: SimulatedWorker, _ outcome: RefreshOutcome) {
        switch outcome {
        case .refreshed(let held), .current(let held):
            note("worker \(worker.number) is done at generation \(held.generation)")
            guard held.connection.state == .live, let token = held.pair?.accessToken else { return }
            handOut(token, held.generation)
        case .refused: note("worker \(worker.number) is refused")
        case .failed: note("worker \(worker.number) got nothing this time")
        case .storage(let error): note("worker \(worker.number): \(error.code.rawValue)")
        }
    }

    private func handOut(_ token: SecretBytes, _ generation: Int64) {
        if committed[generation] != token.revealed { violate("a token was handed out that is not committed") }
        // Its first use, which ends the time in which some providers answer a replay.
        guard dice.oneIn(2) else { return }
        _ = server.handle(
            ScriptedRequest("GET", "/resource", headers: [("Authorization", "Bearer " + token.revealed)]))
    }

    /// Looks at the row through any process's handle.
    func look() async throws {
        let last = row
        row = try await dice.pick(machine.vaults).heldConnection(connection)
        if row.generation < last.generation { violate("the generation went back") }
        if let pair = row.pair { committed[row.generation] = pair.accessToken.revealed }
    }

    private func brief(_ outcome: Settlement.Outcome) -> String {
        switch outcome {
        case .tokens: "tokens"
        case .refused(let refusal): "refused, \(refusal.reason)"
        case .unsettled(let reason, let isSent): "unsettled, \(reason), \(isSent ? "sent" : "not sent")"
        case .unreadable: "unreadable"
        }
    }

    private func brief(_ answer: ProviderAnswer) -> String {
        switch answer {
        case .failure(let failure): "\(failure)"
        case .reply(.granted, _): "tokens"
        case .reply(.refused(let refusal), _): refusal.code
        case .reply(.busy, _): "busy"
        case .reply(.ambiguous, _): "something ambiguous"
        case .reply(.unreadable, _): "something unreadable"
        }
    }
}

extension HeldConnection {
    /// In everything that a settlement could change.
    fileprivate func isSame(as other: HeldConnection) -> Bool {
        let (one, two) = (connection, other.connection)
        return generation == other.generation && fence == other.fence && attempt == other.attempt
            && lease == other.lease && one.state == two.state && one.reason == two.reason
            && one.failures == two.failures && one.dueAt == two.dueAt && one.refusal == two.refusal
            && pair?.accessToken.revealed == other.pair?.accessToken.revealed
            && reply?.revealed == other.reply?.revealed
    }
}
