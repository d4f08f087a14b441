import Foundation
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting

@Suite struct `A scripted server gives grants` {
    private static let verifier = String(repeating: "v", count: 43)
    // SHA-256 of 43 letters v, by another implementation (Python).
    private static let challenge = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
    private static let redirect = "https://app.example/callback?from=scripted"

    private func exchange(
        _ bench: ScriptedBench, _ code: String, verifier: String? = verifier, redirect: String = redirect
    ) -> ScriptedReply {
        let proof = verifier.map { "&code_verifier=" + $0 } ?? ""
        let uri = redirect.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return bench.post("/token", "grant_type=authorization_code&code=\(code)&redirect_uri=\(uri)\(proof)")
    }

    private func code(_ bench: ScriptedBench, challenge: String? = challenge) -> String {
        bench.provider.issueCode(scope: ["read"], codeChallenge: challenge, redirectURI: Self.redirect)
    }

    @Test func `a code with its proof becomes tokens, once; a second time takes them back`() {
        let bench = ScriptedBench()
        let code = code(bench)
        let first = exchange(bench, code)
        #expect(first.status == 200 && first["scope"] == "read" && first["token_type"] == "Bearer")
        #expect(first["expires_in"] == "3600")
        #expect(bench.use(first.access) == 200)
        #expect(exchange(bench, code).error == "invalid_grant")
        #expect(bench.use(first.access) == 401)
    }

    @Test func `a code without its proof, with another proof or another redirect_uri stays unused`() {
        let bench = ScriptedBench()
        let code = code(bench)
        #expect(exchange(bench, code, verifier: nil).error == "invalid_grant")
        #expect(exchange(bench, code, verifier: String(repeating: "w", count: 43)).error == "invalid_grant")
        #expect(exchange(bench, code, verifier: "short").error == "invalid_grant")
        #expect(exchange(bench, code, redirect: "https://app.example/callback").error == "invalid_grant")
        #expect(exchange(bench, "code_unknown").error == "invalid_grant")
        #expect(exchange(bench, code).status == 200)
        // A proof where nothing was to be proved is a mix-up (RFC 9700 section 2.1.1).
        #expect(exchange(bench, self.code(bench, challenge: nil)).error == "invalid_grant")
        #expect(exchange(bench, self.code(bench, challenge: nil), verifier: nil).status == 200)
        bench.clock.advance(.seconds(1))
        let late = self.code(bench)
        bench.clock.advance(.seconds(600))
        #expect(exchange(bench, late).error == "invalid_grant")
    }

    @Test func `the authorization endpoint sends the user back at once`() throws {
        let bench = ScriptedBench { $0.keptValues = ["realmId": "77"] }
        let target = Self.redirect.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let query =
            "response_type=code&client_id=scripted-client&redirect_uri=\(target)&scope=read&state=a%26b"
            + "&code_challenge=\(Self.challenge)&code_challenge_method=S256"
        let answer = bench.provider.handle(ScriptedRequest("GET", "/authorize", query: query))
        #expect(answer.status == 302)
        let location = try #require(answer.header("location").flatMap(URLComponents.init(string:)))
        let values = Dictionary(
            (location.queryItems ?? []).map { ($0.name, $0.value ?? "") }
        ) { first, _ in first }
        #expect(values["from"] == "scripted" && values["state"] == "a&b")
        #expect(values["iss"] == "https://provider.example")
        #expect(exchange(bench, values["code"] ?? "").status == 200)

        bench.provider.configure { $0.consent = .denied }
        let denied = bench.provider.handle(ScriptedRequest("GET", "/authorize", query: query))
        #expect(denied.header("location")?.contains("error=access_denied&state=a%26b") == true)
        let unproved = bench.provider.handle(
            ScriptedRequest("GET", "/authorize", query: query.replacing("S256", with: "plain")))
        #expect(unproved.header("location")?.contains("error=invalid_request") == true)
        for wrong in [query.replacing("scripted-client", with: "other"), "response_type=code"] {
            #expect(bench.provider.handle(ScriptedRequest("GET", "/authorize", query: wrong)).status == 400)
        }
    }

    @Test func `a client gets tokens for itself, without a refresh token`() {
        let bench = ScriptedBench()
        let reply = bench.post("/token", "grant_type=client_credentials&scope=read")
        #expect(reply.status == 200 && reply["refresh_token"] == nil && bench.use(reply.access) == 200)
        #expect(bench.provider.family(of: reply.access)?.kind == .client)
    }

    @Test func `revocation takes a refresh token's grant along and an access token alone`() {
        let bench = ScriptedBench()
        let (one, two) = (bench.provider.grant(), bench.provider.grant())
        #expect(bench.post("/revoke", "token=" + one.accessToken).status == 200)
        #expect(bench.use(one.accessToken) == 401 && bench.refresh(one.refreshToken ?? "").status == 200)
        #expect(
            bench.post("/revoke", "token=\(two.refreshToken ?? "")&token_type_hint=refresh_token").status
                == 200)
        #expect(bench.use(two.accessToken) == 401)
        #expect(bench.refresh(two.refreshToken ?? "").error == "invalid_grant")
        #expect(bench.post("/revoke", "token=unknown").status == 200)
        let stranger = ScriptedRequest.form("/revoke", "token=x", authorization: nil)
        #expect(bench.provider.handle(stranger).status == 401)
        #expect(bench.provider.requests(to: .revoke) == 4)
    }

    @Test func `a device waits, is told to slow down, and is let in or not`() {
        let bench = ScriptedBench()
        let device = bench.post("/device", "scope=read")
        let form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code="
        let poll = { (reply: ScriptedReply) in bench.post("/token", form + (reply["device_code"] ?? "")) }
        #expect(device["interval"] == "5" && device["expires_in"] == "900")
        #expect(poll(device).error == "authorization_pending")
        bench.clock.advance(.seconds(4))
        #expect(poll(device).error == "slow_down")
        bench.clock.advance(.seconds(9))
        #expect(poll(device).error == "slow_down", "the interval is ten seconds now")
        bench.clock.advance(.seconds(15))
        #expect(poll(device).error == "authorization_pending")
        #expect(bench.provider.approveDevice(userCode: device["user_code"] ?? ""))
        #expect(!bench.provider.approveDevice(userCode: device["user_code"] ?? ""))
        let tokens = poll(device)
        #expect(tokens.status == 200 && bench.use(tokens.access) == 200)
        #expect(poll(device).error == "invalid_grant")

        let refused = bench.post("/device", "")
        #expect(bench.provider.denyDevice(userCode: refused["user_code"] ?? ""))
        #expect(poll(refused).error == "access_denied")
        let late = bench.post("/device", "")
        bench.clock.advance(.seconds(900))
        #expect(poll(late).error == "expired_token")
    }

    @Test func `an API takes the token where the entry wants it, and never twice`() {
        let bench = ScriptedBench()
        let token = bench.provider.grant().accessToken
        let get = { (query: String, header: String?) in
            bench.provider.handle(
                ScriptedRequest(
                    "GET", "/resource", query: query, headers: header.map { [("Authorization", $0)] } ?? [])
            ).status
        }
        #expect(get("", "Bearer " + token) == 200)
        #expect(get("access_token=" + token, nil) == 401)
        #expect(get("access_token=" + token, "Bearer " + token) == 400)
        #expect(get("", nil) == 401 && get("", "Token " + token) == 401)

        var entry = Provider.plain
        entry.accessToken = .query(parameter: "accessToken")
        let other = ScriptedBench(entry)
        let second = other.provider.grant().accessToken
        let ask = { (query: String, headers: [(name: String, value: String)]) in
            other.provider.handle(ScriptedRequest("GET", "/resource/me", query: query, headers: headers))
                .status
        }
        #expect(ask("accessToken=" + second, []) == 200)
        #expect(ask("", [("Authorization", "Bearer " + second)]) == 401)
        #expect(ask("accessToken=" + second, [("Authorization", "Bearer " + second)]) == 400)
    }
}
