import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting

@Suite(.bounded) struct `A scripted server on loopback plays every fault` {
    /// One refresh under a fault, by curl: what came, and how often the server redeemed.
    private func refresh(
        under fault: ScriptedFault, replay: Provider.ReplayPolicy = .rejected, _ more: String...
    ) async throws -> (answer: Curl.Answer, bench: ScriptedBench, token: String) {
        let bench = ScriptedBench(replay: replay, faults: FaultScript([1: fault]))
        let token = bench.provider.grant().refreshToken ?? ""
        let answer = try await withScriptedServer(bench.provider) { server in
            var arguments = ["--header", "Authorization: " + ScriptedRequest.credentials]
            arguments += ["--data", "grant_type=refresh_token&refresh_token=" + token]
            return try Curl.run(arguments + more + [server.url + "/token"])
        }
        return (answer, bench, token)
    }

    private func redeemed(_ bench: ScriptedBench) -> Int { bench.provider.redemptions(of: 0)[0] }

    @Test func `no fault: a whole answer`() async throws {
        let (answer, bench, _) = try await refresh(under: .late(.zero))
        #expect(answer.exit == 0 && answer.status == 200 && redeemed(bench) == 1)
        #expect(answer.head.contains("Content-Length: \(answer.body.count)"))
        #expect(bench.use(answer.reply.access) == 200)
    }

    @Test func `drops: an empty answer, and only the server knows what was done`() async throws {
        let before = try await refresh(under: .dropBefore)
        #expect(before.answer.exit == Curl.Code.empty && redeemed(before.bench) == 0)
        let after = try await refresh(under: .dropAfter)
        #expect(after.answer.exit == Curl.Code.empty && redeemed(after.bench) == 1)
        let unreachable = try await refresh(under: .unreachable)
        #expect(unreachable.answer.exit == Curl.Code.empty && redeemed(unreachable.bench) == 0)
    }

    @Test func `a delayed request is done late, a late answer was done in time; both may be waited for`()
        async throws
    {
        let delayed = try await refresh(under: .delay(.milliseconds(50)))
        #expect(delayed.answer.exit == 0 && delayed.answer.reply.access.hasPrefix("at_"))
        let late = try await refresh(under: .late(.seconds(20)), "--max-time", "0.5")
        #expect(late.answer.exit == Curl.Code.timeout && redeemed(late.bench) == 1)
        let never = try await refresh(under: .delay(.seconds(20)), "--max-time", "0.5")
        #expect(never.answer.exit == Curl.Code.timeout && redeemed(never.bench) == 0)
    }

    @Test func `truncation, and a Content-Length that lies both ways`() async throws {
        let cut = try await refresh(under: .truncated)
        #expect(cut.answer.exit == Curl.Code.partial && redeemed(cut.bench) == 1)
        #expect(cut.answer.text.hasPrefix(#"{"access_token":"#) && !cut.answer.text.hasSuffix("}"))
        let longer = try await refresh(under: .contentLength(adding: 10))
        #expect(longer.answer.exit == Curl.Code.partial && longer.answer.text.hasSuffix("}"))
        let shorter = try await refresh(under: .contentLength(adding: -10))
        #expect(shorter.answer.exit == 0 && !shorter.answer.text.hasSuffix("}"))
        #expect(redeemed(longer.bench) == 1 && redeemed(shorter.bench) == 1)
    }

    @Test func `a duplicate is deadly under a strict policy and harmless under FAPI's`() async throws {
        let strict = try await refresh(under: .duplicate, replay: .revokes)
        #expect(strict.answer.reply.error == "invalid_grant" && strict.bench.provider.families[0].isRevoked)
        let kind = try await refresh(under: .duplicate, replay: .within(.seconds(60)))
        #expect(kind.answer.status == 200 && kind.bench.use(kind.answer.reply.access) == 200)
        #expect(redeemed(kind.bench) == 1 && kind.bench.provider.replays == 1)
    }

    @Test func `answers that are something else`() async throws {
        let typed = try await refresh(under: .contentType("text/plain"))
        #expect(typed.answer.head.contains("Content-Type: text/plain") && typed.answer.reply.access != "")
        let page = try await refresh(under: .page(isDone: false))
        #expect(page.answer.status == 200 && page.answer.text.hasPrefix("<!doctype html>"))
        #expect(redeemed(page.bench) == 0)
        let portal = try await refresh(under: .page(isDone: true))
        #expect(portal.answer.text == page.answer.text && redeemed(portal.bench) == 1)
        let hidden = try await refresh(under: .errorUnder200("temporarily_unavailable"))
        #expect(hidden.answer.status == 200 && hidden.answer.reply.error == "temporarily_unavailable")
        #expect(redeemed(hidden.bench) == 0)
        let empty = try await refresh(under: .emptyBody)
        #expect(empty.answer.exit == 0 && empty.answer.status == 200 && empty.answer.body.isEmpty)
        #expect(redeemed(empty.bench) == 1)
        let odd = try await refresh(under: .unreadableExpiry)
        #expect(odd.answer.reply["expires_in"] == "in a while" && redeemed(odd.bench) == 1)
    }

    @Test(arguments: [500, 502, 503, 504, 429])
    func `bare statuses, done or not`(_ status: Int) async throws {
        let not = try await refresh(under: .status(status, retryAfter: "17"))
        #expect(not.answer.status == status && not.answer.head.contains("Retry-After: 17"))
        #expect(not.answer.body.isEmpty && redeemed(not.bench) == 0)
        let done = try await refresh(under: .status(status, isDone: true))
        #expect(done.answer.status == status && !done.answer.head.contains("Retry-After"))
        #expect(redeemed(done.bench) == 1)
    }

    @Test func `a redirect, and a refusal of the client`() async throws {
        let redirect = try await refresh(under: .redirect("https://elsewhere.example/\r\nInjected: yes"))
        #expect(redirect.answer.status == 307 && redeemed(redirect.bench) == 0)
        #expect(redirect.answer.head.contains("Location: https://elsewhere.example/Injected: yes"))
        let client = try await refresh(under: .invalidClient)
        #expect(client.answer.status == 401 && client.answer.reply.error == "invalid_client")
        #expect(redeemed(client.bench) == 0)
    }

    @Test func `an error that echoes the refresh token and the client's secret`() async throws {
        let echo = try await refresh(under: .echo("invalid_request"))
        #expect(echo.answer.status == 400 && echo.answer.reply.error == "invalid_request")
        let text = echo.answer.reply["error_description"] ?? ""
        #expect(text.contains(echo.token) && text.contains("scripted%2Fsecret%2Bwith"))
        #expect(redeemed(echo.bench) == 0)
    }

    @Test func `a huge body and a slow one`() async throws {
        let huge = try await refresh(under: .huge(5_000_000))
        #expect(huge.answer.exit == 0 && huge.answer.body.count > 5_000_000)
        #expect(huge.answer.reply.access.hasPrefix("at_") && redeemed(huge.bench) == 1)
        let slow = try await refresh(under: .slow(.milliseconds(1)))
        #expect(slow.answer.exit == 0 && slow.answer.reply.access.hasPrefix("at_"))
        let slower = try await refresh(under: .slow(.milliseconds(100)), "--max-time", "0.5")
        #expect(slower.answer.exit == Curl.Code.timeout && slower.answer.status == 200)
        #expect((0..<6).contains(slower.answer.body.count) && redeemed(slower.bench) == 1)
    }

    @Test func `faults by number hit that request and no other, at every endpoint`() async throws {
        var script = FaultScript([2: .status(502)])
        script.set(.status(503), at: 1, of: .revoke)
        let bench = ScriptedBench(faults: script)
        try await withScriptedServer(bench.provider) { server in
            let form = ["--header", "Authorization: " + ScriptedRequest.credentials, "--data"]
            var statuses: [Int]
            let token = {
                try Curl.run(form + ["grant_type=client_credentials", server.url + "/token"]).status
            }
            statuses = try [token(), token(), token()]
            #expect(statuses == [200, 502, 200])
            let revoke = { try Curl.run(form + ["token=x", server.url + "/revoke"]).status }
            statuses = try [revoke(), revoke()]
            #expect(statuses == [503, 200])
            bench.provider.failNext(.status(429))
            statuses = try [token(), token()]
            #expect(statuses == [429, 200])
        }
    }
}
