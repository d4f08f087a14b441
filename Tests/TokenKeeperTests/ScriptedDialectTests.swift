import Foundation
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting

@Suite struct `A scripted server speaks the dialect of its entry` {
    private static let secret = "scripted/secret+with:everything &=%"

    private func basic(_ text: String) -> String { "Basic " + Data(text.utf8).base64EncodedString() }

    private func entry(_ change: (inout Provider) -> Void) -> Provider {
        var entry = Provider.plain
        change(&entry)
        return entry
    }

    @Test func `each way of client authentication, and none but it`() {
        let posted =
            "&client_id=scripted-client&client_secret=scripted%2Fsecret%2Bwith%3Aeverything%20%26%3D%25"
        let ways: [(Provider.ClientAuthentication, String?, String)] = [
            (.basic, ScriptedRequest.credentials, ""),
            (.basicRaw, basic("scripted-client:" + Self.secret), ""),
            (.basicSecretOnly, basic(Self.secret + ":"), ""),
            (.post, nil, posted),
            (.none, nil, "&client_id=scripted-client"),
        ]
        #expect(ways.count == Provider.ClientAuthentication.allCases.count)
        for (style, _, _) in ways {
            let bench = ScriptedBench(entry { $0.client = style })
            for (way, header, form) in ways {
                let token = bench.provider.grant().refreshToken ?? ""
                let request = ScriptedRequest.form(
                    "/token", "grant_type=refresh_token&refresh_token=\(token)\(form)", authorization: header)
                let answer = bench.provider.handle(request)
                #expect(answer.status == (way == style ? 200 : 401), "\(style) by \(way)")
                #expect(way == style || ScriptedReply(answer).error == "invalid_client")
            }
        }
        let bench = ScriptedBench()
        let twice = ScriptedRequest.form("/token", "grant_type=client_credentials" + posted)
        let answer = bench.provider.handle(twice)
        #expect(answer.status == 401 && answer.header("www-authenticate") != nil)
    }

    @Test func `requests: JSON, the query, GET, other names, other grant types and fixed parameters`() {
        let json = ScriptedBench(entry { $0.requests.body = .json })
        let token = json.provider.grant().refreshToken ?? ""
        let body = #"{"grant_type":"refresh_token","refresh_token":"\#(token)"}"#
        #expect(json.refresh(token).error == "invalid_request")
        let asJSON = ScriptedRequest.form("/token", body, type: "application/json; charset=utf-8")
        #expect(json.provider.handle(asJSON).status == 200)

        let query = ScriptedBench(entry { $0.requests.body = .query })
        let other = query.provider.grant().refreshToken ?? ""
        let authorization = [(name: "Authorization", value: ScriptedRequest.credentials)]
        let parameters = "grant_type=refresh_token&refresh_token=" + other
        let asQuery = ScriptedRequest("POST", "/token", query: parameters, headers: authorization)
        #expect(query.provider.handle(asQuery).status == 200)
        let asGet = ScriptedRequest("GET", "/token", query: parameters, headers: authorization)
        #expect(query.provider.handle(asGet).status == 405)
        let get = ScriptedBench(entry { $0.requests.method = .get })
        let third = get.provider.grant().refreshToken ?? ""
        let own = asGet.query.count
        #expect(own > 0 && get.refresh(third).status == 405)
        #expect(
            get.provider.handle(
                ScriptedRequest(
                    "GET", "/token", query: "grant_type=refresh_token&refresh_token=" + third,
                    headers: authorization)
            ).status == 200)

        let named = ScriptedBench(
            entry {
                $0.requests.names = ["grant_type": "type", "refresh_token": "refreshToken"]
                $0.requests.grantTypes = ["refresh_token": "refresh"]
                $0.requests.refresh = ["action": "requesttoken"]
            })
        let fourth = named.provider.grant().refreshToken ?? ""
        #expect(named.refresh(fourth).error == "unsupported_grant_type")
        #expect(named.post("/token", "type=refresh&refreshToken=" + fourth).error == "invalid_request")
        #expect(named.post("/token", "type=refresh&action=requesttoken&refreshToken=" + fourth).status == 200)
        #expect(named.post("/token", "type=refresh&type=refresh").error == "invalid_request")
        #expect(named.post("/token", "type=%zz").error == "invalid_request")
    }

    @Test func `an address of its own for refreshes does that alone`() {
        let bench = ScriptedBench(entry { $0.endpoints.refresh = "https://provider.example/refresh" })
        let token = bench.provider.grant().refreshToken ?? ""
        let form = "grant_type=refresh_token&refresh_token=" + token
        #expect(bench.post("/token", form).error == "unsupported_grant_type")
        #expect(bench.post("/refresh", "grant_type=client_credentials").error == "unsupported_grant_type")
        #expect(bench.post("/refresh", form).status == 200)
        #expect(ScriptedBench().post("/refresh", form).status == 404)
        #expect(bench.provider.tokenRequests == 3)
    }

    @Test func `replies: paths, envelope, success member, kept members, codes of its own`() {
        let bench = ScriptedBench(
            entry {
                $0.replies.accessToken = ["body.access_token", "access_token"]
                $0.replies.refreshToken = ["body.refresh_token"]
                $0.replies.expiry = ["body.expires_in"]
                $0.replies.scope = ["body.scope"]
                $0.replies.success = .init(path: "status", values: ["0"])
                $0.replies.error = ["errors.0.errorType"]
                $0.replies.errorDescription = ["errors.0.message"]
                $0.replies.errorCodes = ["bad_code": "invalid_grant", "bad_refresh_token": "invalid_grant"]
                $0.replies.kept = ["body.userid"]
                $0.requests.scopeSeparator = ","
            })
        let token = bench.provider.grant(scope: ["a", "b"]).refreshToken ?? ""
        let reply = bench.refresh(token)
        #expect(reply["status"] == "0" && reply["body.token_type"] == "Bearer")
        #expect(reply["body.scope"] == "a,b" && reply["body.userid"] == "kept-body.userid")
        #expect(bench.use(reply["body.access_token"] ?? "") == 200)
        #expect(reply["access_token"] == nil && reply["refresh_token"] == nil)
        let refusal = bench.refresh(token)
        #expect(refusal.status == 200 && refusal["status"] == "1")
        #expect(refusal["errors.0.errorType"] == "bad_refresh_token")
        #expect(refusal["errors.0.message"]?.isEmpty == false)
        let code = bench.post("/token", "grant_type=authorization_code&code=x&redirect_uri=y")
        #expect(code["errors.0.errorType"] == "bad_code")
    }

    @Test func `success members of every kind tell failure from success`() {
        for (values, good, bad) in [
            (["true"], "1", "0"), (["0000"], "0000", "failed"), (["0", "1"], "0", "2"),
        ] {
            let bench = ScriptedBench(entry { $0.replies.success = .init(path: "ok", values: values) })
            let token = bench.provider.grant().refreshToken ?? ""
            #expect(bench.refresh(token)["ok"] == good)
            #expect(bench.refresh(token)["ok"] == bad)
        }
    }

    @Test(arguments: [
        (ScriptedOptions.LifetimeSpelling.seconds, "93784"), (.secondsText, "93784"),
        (.milliseconds, "93784000"), (.epochSeconds, "1795626184"), (.epochMilliseconds, "1795626184000"),
        (.iso8601, "2026-11-25T17:03:04Z"), (.zoneless, "2026-11-25 17:03:04"), (.days, "1:02:03"),
        (.hours, "26:03:04"),
    ])
    func `lifetimes in every spelling`(_ spelling: ScriptedOptions.LifetimeSpelling, _ text: String) {
        let bench = ScriptedBench {
            $0.accessLifetime = .seconds(93784)
            $0.lifetimeSpelling = spelling
        }
        #expect(bench.refresh(bench.provider.grant().refreshToken ?? "")["expires_in"] == text)
    }

    @Test func `a lifetime may be absent, zero for never, and there for refresh tokens`() {
        let silent = ScriptedBench { $0.tellsExpiry = false }
        #expect(silent.refresh(silent.provider.grant().refreshToken ?? "")["expires_in"] == nil)
        let endless = ScriptedBench {
            $0.accessLifetime = nil
            $0.spellsNeverAsZero = true
            $0.refreshLifetime = .seconds(86400)
            $0.tellsRefreshExpiry = true
        }
        let reply = endless.refresh(endless.provider.grant().refreshToken ?? "")
        #expect(reply["expires_in"] == "0" && reply["refresh_token_expires_in"] == "86400")
        let defaulted = ScriptedBench(entry { $0.expiry.defaultLifetime = .seconds(7200) })
        let other = defaulted.refresh(defaulted.provider.grant().refreshToken ?? "")
        #expect(other["expires_in"] == nil)
        defaulted.clock.advance(.seconds(7200))
        #expect(defaulted.use(other.access) == 401)
    }

    @Test func `forms as replies, another status of success, errors under 200`() {
        let bench = ScriptedBench {
            $0.replyFormat = .form
            $0.successStatus = 201
            $0.errorStatus = 200
        }
        let token = bench.provider.grant(scope: ["a", "b"]).refreshToken ?? ""
        let answer = bench.provider.handle(.form("/token", "grant_type=refresh_token&refresh_token=" + token))
        #expect(answer.status == 201)
        #expect(answer.header("content-type") == "application/x-www-form-urlencoded")
        #expect(answer.text.hasPrefix("access_token=at_") && answer.text.contains("&scope=a%20b"))
        let refused = bench.provider.handle(
            .form("/token", "grant_type=refresh_token&refresh_token=" + token))
        #expect(refused.status == 200 && refused.text.hasPrefix("error=invalid_grant"))
    }

    @Test func `a provider that will not be asked too early, and one that counts requests`() {
        let early = ScriptedBench(entry { $0.expiry.earliestRefresh = .seconds(30) })
        let token = early.provider.grant().refreshToken ?? ""
        early.clock.advance(.seconds(3569))
        #expect(early.refresh(token).error == "invalid_request")
        early.clock.advance(.seconds(1))
        #expect(early.refresh(token).status == 200)

        let counted = ScriptedBench(entry { $0.rateLimit = .init(requests: 2, per: .seconds(60)) }) {
            $0.enforcesRateLimit = true
        }
        let form = ScriptedRequest.form("/token", "grant_type=client_credentials")
        #expect(counted.provider.handle(form).status == 200 && counted.provider.handle(form).status == 200)
        counted.clock.advance(.milliseconds(500))
        let limited = counted.provider.handle(form)
        #expect(limited.status == 429 && limited.header("retry-after") == "60")
        counted.clock.advance(.seconds(60))
        #expect(counted.provider.handle(form).status == 200)
    }

    @Test func `the Date of an answer is that of the server's clock`() {
        let bench = ScriptedBench()
        let answer = bench.provider.handle(.form("/token", "grant_type=client_credentials"))
        #expect(answer.header("date") == "Tue, 24 Nov 2026 15:00:00 GMT")
    }

    @Test func `the entry at a local server keeps its addresses apart, and their queries`() {
        let entry = entry {
            $0.endpoints.refresh = "https://provider.example/oauth/token?do=refresh"
            $0.endpoints.deviceAuthorization = nil
        }
        let local = ScriptedBench(entry).provider.entry(at: "http://127.0.0.1:9")
        #expect(local.endpoints.token == "http://127.0.0.1:9/token")
        #expect(local.endpoints.refresh == "http://127.0.0.1:9/refresh?do=refresh")
        #expect(local.endpoints.authorization == "http://127.0.0.1:9/authorize")
        #expect(local.endpoints.revocation == "http://127.0.0.1:9/revoke")
        #expect(local.endpoints.deviceAuthorization == nil)
        #expect(local.endpoints.issuer == "http://127.0.0.1:9")
        #expect(local.replies == entry.replies && local.refresh == entry.refresh)
    }
}
