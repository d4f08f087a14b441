import Foundation
import Synchronization
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

@Suite(.bounded) struct `A scripted server under a keeper, in process` {
    private func request(
        _ token: String, url: String = "https://provider.example/oauth/token",
        timeout: Duration = .seconds(30)
    ) -> ProviderRequest {
        ProviderRequest(
            .refresh, .post, url,
            headers: [
                ("authorization", SecretBytes(copying: ScriptedRequest.credentials)),
                ("content-type", SecretBytes(copying: "application/x-www-form-urlencoded")),
            ],
            body: SecretBytes(copying: "grant_type=refresh_token&refresh_token=" + token), timeout: timeout)
    }

    private func reply(_ reply: ProviderReply) -> ScriptedReply {
        ScriptedReply(status: reply.status, body: reply.body.withExposed { Data($0) })
    }

    @Test func `a request to an address of the entry is answered`() async throws {
        let bench = ScriptedBench()
        let grant = bench.provider.grant()
        let answer = try await ScriptedTransport(bench.provider).send(request(grant.refreshToken ?? ""))
        #expect(answer.status == 200 && answer.headers["content-type"] == "application/json;charset=UTF-8")
        #expect(bench.use(reply(answer).access) == 200)
    }

    @Test func `addresses with variables, with queries, and of a local server lead there too`() async throws {
        var entry = Provider.plain
        entry.endpoints.token = "https://{shop}.example.com/{tenant}/token?version=2"
        entry.requests.method = .get
        let bench = ScriptedBench(entry)
        let transport = ScriptedTransport(bench.provider)
        for url in [
            "https://a.example.com/b/token?version=2", "http://127.0.0.1:1/token", "http://localhost/token",
        ] {
            let query =
                "grant_type=refresh_token&refresh_token=" + (bench.provider.grant().refreshToken ?? "")
            let sent = ProviderRequest(
                .refresh, .get, url, query: SecretBytes(copying: query),
                headers: [("Authorization", SecretBytes(copying: ScriptedRequest.credentials))])
            #expect(try await transport.send(sent).status == 200, "\(url)")
        }
        let astray = ProviderRequest(.refresh, .get, "https://a.example.com/b/c/token")
        #expect(try await transport.send(astray).status == 404)
        await #expect(throws: TransportFailure.notSent(.invalidURL)) {
            try await transport.send(ProviderRequest(.refresh, .get, "nowhere"))
        }
    }

    @Test(arguments: [
        (ScriptedFault.unreachable, TransportFailure.notSent(.connect), 0),
        (.dropBefore, .ambiguous(.reset), 0), (.dropAfter, .ambiguous(.reset), 1),
        (.truncated, .ambiguous(.truncated), 1),
        (.huge(Limits.sealedReplyBytes), .ambiguous(.tooLarge), 1),
        (.delay(.seconds(31)), .ambiguous(.timeout), 1), (.late(.seconds(31)), .ambiguous(.timeout), 1),
        (.slow(.seconds(1)), .ambiguous(.timeout), 1),
    ])
    func `a failure says truly whether the request may have arrived`(
        _ fault: ScriptedFault, _ failure: TransportFailure, _ redemptions: Int
    ) async {
        let bench = ScriptedBench(faults: FaultScript([1: fault]))
        let grant = bench.provider.grant()
        let transport = ScriptedTransport(bench.provider)
        await #expect(throws: failure) { try await transport.send(request(grant.refreshToken ?? "")) }
        #expect(bench.provider.redemptions(of: grant.family)[0] == redemptions)
        #expect(bench.provider.tokenRequests == 1)
    }

    @Test func `a length that promises more than one whole JSON text costs nothing`() async throws {
        let bench = ScriptedBench(faults: FaultScript([1: .contentLength(adding: 7)]))
        let transport = ScriptedTransport(bench.provider)
        let answer = try await transport.send(request(bench.provider.grant().refreshToken ?? ""))
        #expect(bench.use(reply(answer).access) == 200)
    }

    @Test func `waits are told to the test and to nobody else`() async throws {
        let bench = ScriptedBench(
            faults: FaultScript([1: .delay(.seconds(3)), 2: .late(.seconds(5)), 3: .slow(.milliseconds(10))]))
        let waits = Mutex<[Duration]>([])
        let transport = ScriptedTransport(bench.provider) { pause in
            waits.withLock { if pause > .zero { $0.append(pause) } }
        }
        var lengths: [Int] = []
        for _ in 1...3 {
            let token = bench.provider.grant().refreshToken ?? ""
            let answer = try await transport.send(request(token))
            lengths.append(answer.body.withExposed(\.count))
        }
        #expect(waits.withLock { $0 } == [.seconds(3), .seconds(5), .milliseconds(10) * lengths[2]])
    }

    @Test func `a planned exchange acts when it is applied: not before, and once for each time`() throws {
        let bench = ScriptedBench(replay: .revokes)
        let grant = bench.provider.grant()
        let transport = ScriptedTransport(bench.provider)
        let first = transport.plan(request(grant.refreshToken ?? ""))
        let second = transport.plan(request(grant.refreshToken ?? ""))
        #expect(bench.provider.redemptions(of: grant.family) == [0] && bench.provider.tokenRequests == 2)
        #expect(first.reachesServer && first.arrivesAfter == .zero && first.fault == nil)
        // The second overtakes the first on the way.
        let winner = reply(try second.apply().outcome.get())
        #expect(bench.provider.redemptions(of: grant.family) == [1, 0])
        #expect(bench.use(winner.access) == 200)
        let loser = reply(try first.apply().outcome.get())
        #expect(loser.error == "invalid_grant" && bench.use(winner.access) == 401)
        _ = first.apply()
        #expect(bench.provider.replays == 2)
    }

    @Test func `an answer that comes too late leaves the client at its timeout, the server done`() {
        let bench = ScriptedBench(faults: FaultScript([1: .late(.seconds(8)), 2: .delay(.seconds(8))]))
        let grant = bench.provider.grant()
        let transport = ScriptedTransport(bench.provider)
        let late = transport.plan(request(grant.refreshToken ?? "", timeout: .seconds(5)))
        #expect(late.apply().arrivesAfter == .seconds(5))
        let delayed = transport.plan(request("x", timeout: .seconds(5)))
        #expect(delayed.arrivesAfter == .seconds(8) && delayed.timeout == .seconds(5))
        #expect(delayed.apply().arrivesAfter == .zero)
        #expect(bench.provider.redemptions(of: grant.family) == [1, 0])
    }
}
