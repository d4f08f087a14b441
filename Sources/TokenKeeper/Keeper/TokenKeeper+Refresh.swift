import Foundation
import Logging
import Synchronization
package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

extension TokenKeeper {
    /// Joins the refresh of this connection that is in flight here, or begins one. The refresh runs in a task
    /// of its own: no caller's cancellation reaches it.
    package func refresh(
        _ held: HeldConnection, _ provider: KnownProvider, isForced: Bool = false,
        spendsUncertain: Bool = false
    ) async -> RefreshOutcome {
        await task(held, provider, isForced: isForced, spendsUncertain: spendsUncertain).value
    }

    /// Begins a refresh in the background.
    func refreshBehind(_ held: HeldConnection, _ provider: KnownProvider) {
        _ = task(held, provider, isForced: false, spendsUncertain: false)
    }

    /// Waits for every refresh and every exchange of a code in flight, also those in the background; to
    /// be called before the vault is closed, or an answer may come that can no longer be stored. Callers that
    /// still ask for tokens meanwhile begin more of them.
    public func finish() async {
        while let task = refreshes.withLock({ $0.values.first }) { _ = await task.value }
        while let task = exchanges.withLock({ $0.values.first }) { await task.value }
    }

    /// Runs an exchange that may bring tokens to its end, whatever becomes of the caller; ``finish()`` waits for it.
    func undisturbed<Result: Sendable>(
        _ exchange: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let id = UUID()
        // Begun under the lock: an exchange that runs is one that `finish()` knows of.
        let task = exchanges.withLock { running in
            let task = Task { try await exchange() }
            running[id] = Task { _ = await task.result }
            return task
        }
        defer { exchanges.withLock { _ = $0.removeValue(forKey: id) } }
        return try await task.value
    }

    /// It is known to ``finish()`` when this returns.
    private func task(
        _ held: HeldConnection, _ provider: KnownProvider, isForced: Bool, spendsUncertain: Bool
    ) -> Task<RefreshOutcome, Never> {
        let (task, isJoined) = refreshes.withLock { running in
            if let task = running[held.id] { return (task, true) }
            let task = Task {
                let outcome = await self.run(
                    held, provider, isForced: isForced, spendsUncertain: spendsUncertain)
                self.refreshes.withLock { _ = $0.removeValue(forKey: held.id) }
                return outcome
            }
            running[held.id] = task
            return (task, false)
        }
        if isJoined { metrics.joined(provider) }
        return task
    }

    private func run(
        _ held: HeldConnection, _ provider: KnownProvider, isForced: Bool, spendsUncertain: Bool
    ) async -> RefreshOutcome {
        if let read = await readKeptReply(of: held, provider) { return read }
        let terms = RefreshTerms(
            provider.dialect, schedule(provider), revision: provider.stored.revision,
            holder: SystemRandom().bytes(16), leaseSpan: configuration.leaseSpan,
            isForced: isForced, spendsUncertain: spendsUncertain)
        let outcome = await tracedRefresh(of: provider) {
            await drive(RefreshAttempt(held, terms: terms), terms, provider)
        }
        tokens.forget(held.id)
        metrics.refreshed(provider, outcome)
        return outcome
    }

    private func drive(
        _ attempt: RefreshAttempt, _ terms: RefreshTerms, _ provider: KnownProvider
    ) async -> RefreshOutcome {
        var attempt = attempt
        var hasAnswer = false
        let id = attempt.connection
        var step = attempt.next(.begin)
        while true {
            switch step {
            case .lease(let request):
                step = attempt.next(await event { .leased(try await vault.leaseRefresh(request)) })
            case .send(let request, let held):
                let isInTime = terms.isInTime(
                    held, at: vault.time.reading, callTimeout: configuration.callTimeout)
                let answer =
                    isInTime
                    ? await ask(provider, request, sent: held.pair) : .failure(.notSent(.timeout))
                step = attempt.next(.answered(answer, at: clock.now()))
            case .settle(let settlement):
                hasAnswer = true
                let settled = await event { .settled(try await vault.settleRefresh(settlement)) }
                if case .settled(.superseded) = settled { metrics.lostLease(provider) }
                step = attempt.next(settled)
            case .pause(let span):
                await configuration.pause(span)
                step = attempt.next(.paused)
            case .finish(let outcome):
                if case .storage(let error) = outcome, hasAnswer {
                    logger.critical(
                        "A provider's answer could not be stored.",
                        metadata: [
                            "connection": "\(id)", "provider": "\(provider.stored.name)", "error": "\(error)",
                        ])
                }
                return outcome
            }
        }
    }

    private func event(_ body: () async throws -> RefreshAttempt.Event) async -> RefreshAttempt.Event {
        do { return try await body() } catch let error as VaultError { return .failed(error) } catch {
            return .failed(VaultError(.internalError, "Unexpected failure of type \(type(of: error))."))
        }
    }

    /// Sends one request to the token endpoint and reads its answer.
    package func ask(
        _ provider: KnownProvider, _ request: ProviderRequest, sent pair: TokenPair?,
        alsoSent: [SecretBytes] = []
    ) async -> ProviderAnswer {
        do throws(TransportFailure) {
            let reply = try await send(request, to: provider)
            let sent = [pair?.accessToken, pair?.refreshToken].compactMap { $0 } + alsoSent
            let reading = provider.dialect.read(reply, to: request.purpose, at: clock.now(), sent: sent)
            if let diagnostic = reading.diagnostic { note(diagnostic, request.purpose, provider) }
            return .reply(reading, raw: reply.body)
        } catch {
            return .failure(error)
        }
    }

    func send(
        _ request: ProviderRequest, to provider: KnownProvider
    ) async throws(TransportFailure) -> ProviderReply {
        var request = request
        request.timeout = configuration.callTimeout
        let start = clock.monotonic()
        defer { metrics.called(provider, request.purpose, taking: clock.monotonic() - start) }
        do throws(TransportFailure) {
            return try await tracedCall(to: provider, request.purpose) { () throws(TransportFailure) in
                try await transport.send(request)
            }
        } catch {
            note("no answer: " + error.cause.rawValue, request.purpose, provider)
            throw error
        }
    }

    /// What a provider tells is logged as its dialect gives it out: bounded, secrets taken out.
    func note(_ answer: String, _ purpose: ProviderRequest.Purpose, _ provider: KnownProvider) {
        logger.info(
            "A provider did not give what was asked for.",
            metadata: [
                "provider": "\(provider.stored.name)", "request": "\(purpose.rawValue)",
                "answer": "\(answer)",
            ])
    }

    /// A reply that was kept because it could not be read may be readable by now: a newer version, another
    /// entry. Nil: no reply is kept, or it still cannot be read.
    package func readKeptReply(of held: HeldConnection, _ provider: KnownProvider) async -> RefreshOutcome? {
        guard let reply = held.reply else { return nil }
        let reading = provider.dialect.read(
            ProviderReply(status: 200, body: reply), to: .refresh,
            at: held.connection.unsettledSince ?? held.connection.createdAt, sent: [])
        guard case .granted(let granted) = reading, granted.fitsOneRow,
            // Another account takes this one's place by a new consent alone.
            !(held.isConsentReplyKept && held.isOfAnother(than: granted.account))
        else { return nil }
        let schedule = schedule(provider)
        var tokens = granted.limited(by: schedule.rules, at: clock.now())
        // RFC 6749 section 5.1: a scope that is not told is the one that was asked for.
        tokens.scope = tokens.scope ?? held.connection.scope
        let due = schedule.dueAt(
            issued: clock.now(), accessEnd: tokens.accessExpiresAt, refreshEnd: tokens.refreshExpiresAt,
            spread: UInt64(bitPattern: held.id.rawValue))
        var settlement = Settlement(
            held.id, generation: held.generation, fence: held.fence, .tokens(tokens), dueAt: due)
        settlement.readsKeptReply = true
        do {
            switch try await vault.settleRefresh(settlement) {
            case .settled(let held): return .refreshed(held)
            case .superseded(let held): return .current(held)
            }
        } catch let error as VaultError { return .storage(error) } catch {
            return .storage(VaultError(.internalError, "Unexpected failure of type \(type(of: error))."))
        }
    }
}

extension ProviderAnswer {
    /// A description for operators; nil if nothing is wrong.
    var diagnostic: String? {
        switch self {
        case .reply(let reading, _): reading.diagnostic
        case .failure(let failure): failure.cause.rawValue
        }
    }
}
