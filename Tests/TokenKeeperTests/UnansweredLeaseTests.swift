import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultCore

/// A server of a vault can fail while it commits an intent: whether that was made is known later, or never.
@Suite(.bounded) struct `P8: an intent whose commit got no answer burns no token` {
    private static let unanswered = VaultError(.outcomeUnknown, "No answer.")

    private final class Scene: Sendable {
        let bench: KeeperBench
        let held: HeldConnection
        let terms: RefreshTerms

        /// At a provider that takes a second use of a refresh token for theft.
        init() async throws {
            bench = try await KeeperBench(KeeperBench.entry(replay: "revokes"))
            let connection = try await bench.connect()
            bench.clock.advance(.seconds(3700))
            held = try await bench.vault.heldConnection(connection.id)
            let known = try await bench.keeper.knownProvider(of: connection)
            terms = RefreshTerms(
                known.dialect, RefreshSchedule(margin: .seconds(300), rules: known.provider.expiry),
                revision: 1, holder: [UInt8](repeating: 7, count: 16), leaseSpan: .seconds(45))
        }

        /// Waits as long as it is told, and asks for the lease once more.
        func again(_ attempt: inout RefreshAttempt, after step: RefreshAttempt.Step) throws -> LeaseRequest {
            guard case .pause(let span) = step else { throw VaultError(.internalError, "\(step)") }
            bench.clock.advance(span)
            return try request(attempt.next(.paused))
        }

        func request(_ step: RefreshAttempt.Step) throws -> LeaseRequest {
            guard case .lease(let request) = step else { throw VaultError(.internalError, "\(step)") }
            return request
        }
    }

    @Test(arguments: [true, false]) func `the refresh goes on as soon as that is known`(_ wasMade: Bool)
        async throws
    {
        let scene = try await Scene()
        var attempt = RefreshAttempt(scene.held, terms: scene.terms)
        let first = try scene.request(attempt.next(.begin))
        if wasMade { _ = try await scene.bench.vault.leaseRefresh(first) }
        var request = try scene.again(&attempt, after: attempt.next(.failed(Self.unanswered)))
        // The server is still away.
        request = try scene.again(
            &attempt, after: attempt.next(.failed(VaultError(.unavailable, "No server."))))
        let answer = try await scene.bench.vault.leaseRefresh(request)
        guard case .send(_, let leased) = attempt.next(.leased(answer)) else {
            Issue.record("\(answer)")
            return
        }
        #expect(leased.attempt?.sends == 1)
        let now = scene.bench.clock.reading()
        #expect(scene.terms.isInTime(leased, at: now, callTimeout: .seconds(30)))
    }

    @Test func `one that was made is another's to respect, and is over when its time is`() async throws {
        let scene = try await Scene()
        var attempt = RefreshAttempt(scene.held, terms: scene.terms)
        _ = try await scene.bench.vault.leaseRefresh(scene.request(attempt.next(.begin)))
        var other = LeaseRequest(
            scene.held.id, generation: scene.held.generation, failures: 0,
            holder: [UInt8](repeating: 8, count: 16), span: .seconds(45), replay: .never)
        guard case .held = try await scene.bench.vault.leaseRefresh(other) else {
            Issue.record("not held")
            return
        }
        other.replay = .always
        scene.bench.clock.advance(.seconds(46))
        guard case .leased = try await scene.bench.vault.leaseRefresh(other) else {
            Issue.record("not over")
            return
        }
        // The first one learns of it, and sends nothing.
        let request = try scene.again(&attempt, after: attempt.next(.failed(Self.unanswered)))
        guard case .held = try await scene.bench.vault.leaseRefresh(request) else {
            Issue.record("two have it")
            return
        }
    }
}
