import Testing
import TokenKeeper
import TokenVault
import VaultCore

@Suite struct `What an answer means` {
    @Test(arguments: [
        // RFC 6749 section 5.2, and whatever the status: Atlassian says it with 403, GitHub with 200.
        (400, #"{"error":"invalid_grant"}"#, "refused grant invalid_grant"),
        (403, #"{"error":"invalid_grant"}"#, "refused grant invalid_grant"),
        (401, #"{"error":"invalid_grant"}"#, "refused grant invalid_grant"),
        (429, #"{"error":"invalid_grant"}"#, "refused grant invalid_grant"),
        (200, #"{"error":"invalid_grant"}"#, "refused grant invalid_grant"),
        (400, #"{"error":"INVALID_GRANT"}"#, "refused grant invalid_grant"),
        (400, "error=invalid_grant&error_description=no", "refused grant invalid_grant"),
        // Of the registration, not of the user's grant.
        (401, #"{"error":"invalid_client"}"#, "refused client invalid_client"),
        (200, #"{"error":"invalid_client"}"#, "refused client invalid_client"),
        // Of the registration, or of this token.
        (400, #"{"error":"unauthorized_client"}"#, "refused client-or-token unauthorized_client"),
        (401, "", "refused client-or-token unauthorized"),
        (401, "<html>no</html>", "refused client-or-token unauthorized"),
        (401, #"{"message":"no"}"#, "refused client-or-token unauthorized"),
        // The request alone.
        (400, #"{"error":"invalid_scope"}"#, "refused request invalid_scope"),
        (400, #"{"error":"we do not like you"}"#, "refused request other"),
        (400, #"{"error":{"code":190}}"#, "refused request other"),
        (401, #"{"error":"token_stale"}"#, "refused request other"),
        (400, "<html>bad</html>", "refused request other"),
        (404, "", "refused request other"),
        (400, #"{"error":"authorization_pending"}"#, "refused request authorization_pending"),
        // Nothing was done.
        (429, "", "busy"), (500, #"{"error":"invalid_grant"}"#, "busy"), (502, "<html>", "busy"),
        (503, "", "busy"), (425, "", "busy"), (400, #"{"error":"temporarily_unavailable"}"#, "busy"),
        (200, #"{"error":"server_error"}"#, "busy"),
        // Perhaps it was.
        (504, "", "ambiguous"), (302, "", "ambiguous"),
        (408, "", "ambiguous"), (101, "", "ambiguous"), (0, "", "ambiguous"), (999, "", "ambiguous"),
        // A success without what it should hold.
        (200, "", "unreadable"), (204, "", "unreadable"), (200, "<!DOCTYPE html><p>Welcome", "unreadable"),
        (200, "{}", "unreadable"), (200, "[]", "unreadable"), (200, #"{"access_token":null}"#, "unreadable"),
        (200, #"{"access_token":""}"#, "unreadable"), (200, #"{"access_token":17}"#, "unreadable"),
        (200, #"{"access_token":{"value":"a"}}"#, "unreadable"), (200, #"{"access_token":"a"#, "unreadable"),
        (200, #"{"access_token":"a"} trailing"#, "unreadable"), (200, "OK", "unreadable"),
        (200, #""0123456789abcdef0123""#, "unreadable"),
        (200, #"{"access_token":"caf\u00e9"}"#, "unreadable"),
        (200, #"{"access_token":"a\u0000b"}"#, "unreadable"), (200, #"{"access_token":" a"}"#, "unreadable"),
        // Tokens together with anything else that is no plain success.
        (200, #"{"access_token":"a","error":"invalid_grant"}"#, "unreadable"),
        (400, #"{"access_token":"a","error":"invalid_grant"}"#, "unreadable"),
        (500, #"{"access_token":"a"}"#, "unreadable"), (302, #"{"access_token":"a"}"#, "unreadable"),
        (200, #"{"access_token":"a","refresh_token":["b"]}"#, "unreadable"),
        (200, #"{"access_token":"a","refresh_token":"b\n"}"#, "unreadable"),
        (200, #"{"access_token":"a","access_token":"b"}"#, "unreadable"),
        (200, #"{"access_token":"a","refresh_token":"b","refresh_token":"c"}"#, "unreadable"),
        (200, "access_token=a&access_token=b", "unreadable"), (200, "access_token=%zz", "unreadable"),
        // Successes, in every dress.
        (200, #"{"access_token":"a","token_type":"Bearer"}"#, "granted"),
        (201, #"{"access_token":"a"}"#, "granted"),
        (200, #"{"access_token":"a","access_token":"a"}"#, "granted"),
        (200, #"{"access_token":"a","state":"x","state":"y"}"#, "granted"),
        (200, #"{"access_token":"a","token_type":"User Access Token"}"#, "granted"),
        (200, #"{"access_token":"a","token_type":7,"error":null,"errcode":0}"#, "granted"),
        (200, #"{"access_token":"a","error":false}"#, "granted"),
        (200, #"{"access_token":"a","error":""}"#, "granted"),
        (200, "\u{FEFF} {\"access_token\":\"a\"}\r\n", "granted"),
        (200, "access_token=a&scope=&token_type=bearer\n", "granted"),
    ])
    func `by status and body`(_ status: Int, _ body: String, _ meaning: String) {
        #expect(ProviderDialect.standard().read(status, body).summary == meaning)
    }

    @Test(
        arguments: [
            (["retry-after": "120"], "busy 120"), (["retry-after": "0"], "busy 0"),
            (["retry-after": "31536000"], "busy 86400"), (["retry-after": "-5"], "busy"),
            (["retry-after": "soon"], "busy"), ([:], "busy"),
            (["retry-after": "Tue, 24 Nov 2026 15:01:00 GMT"], "busy 60"),
            (["retry-after": "Tuesday, 24-Nov-26 15:01:00 GMT"], "busy 60"),
            (["retry-after": "Tue Nov 24 15:01:00 2026"], "busy 60"),
            (["retry-after": "Tue, 24 Nov 2026 14:00:00 GMT"], "busy 0"),
            // By the server's clock, if it tells: it may be an hour ahead of ours.
            (
                ["retry-after": "Tue, 24 Nov 2026 16:01:00 GMT", "date": "Tue, 24 Nov 2026 16:00:00 GMT"],
                "busy 60"
            ),
        ] as [([String: String], String)])
    func `when to come back`(_ headers: [String: String], _ meaning: String) {
        #expect(ProviderDialect.standard().read(503, "", headers: headers).summary == meaning)
    }

    @Test func `RFC 8628 section 3.5: the answers to a device that asks`() {
        let dialect = ProviderDialect.standard()
        for (code, meaning) in [
            ("authorization_pending", "refused pending authorization_pending"),
            ("slow_down", "refused slow-down slow_down"), ("access_denied", "refused denied access_denied"),
            ("expired_token", "refused denied expired_token"),
        ] {
            #expect(dialect.read(400, #"{"error":"\#(code)"}"#, to: .deviceToken).summary == meaning)
        }
    }

    @Test func `a reply deeper or bigger than any provider's is sealed, not read`() {
        let dialect = ProviderDialect.standard()
        let deep = String(repeating: "[", count: 100_000)
        #expect(dialect.read(200, #"{"access_token":"a","x":\#(deep)"#).summary == "unreadable")
        let wide = #"{"access_token":"a","x":[\#(String(repeating: "0,", count: 20_000))0]}"#
        #expect(dialect.read(200, wide).summary == "unreadable")
        let long = #"{"access_token":"\#(String(repeating: "a", count: 32 * 1024))"}"#
        #expect(dialect.read(200, long).granted?.accessToken.shown.utf8.count == 32 * 1024)
        let tooLong = #"{"access_token":"\#(String(repeating: "a", count: 32 * 1024 + 1))"}"#
        #expect(dialect.read(200, tooLong).summary == "unreadable")
        let tooBig = #"{"access_token":"a","x":"\#(String(repeating: "x", count: 1024 * 1024))"}"#
        #expect(dialect.read(200, tooBig).summary == "unreadable")
    }

    @Test func `RFC 7009 section 2.2: a revocation needs no body`() {
        let dialect = ProviderDialect.standard()
        func meaning(_ status: Int, _ body: String) -> String {
            let reply = ProviderReply(status: status, body: SecretBytes(copying: body))
            return switch dialect.readRevocation(reply, at: dialectNow, sent: []) {
            case .granted: "revoked"
            case .refused(let refusal): "refused \(refusal.code)"
            case .busy: "busy"
            case .ambiguous, .unreadable: "ambiguous"
            }
        }
        #expect(meaning(200, "") == "revoked")
        #expect(meaning(204, "") == "revoked")
        #expect(meaning(200, "<html>") == "revoked")
        #expect(meaning(400, #"{"error":"unsupported_token_type"}"#) == "refused unsupported_token_type")
        #expect(meaning(401, "") == "refused unauthorized")
        #expect(meaning(503, "") == "busy")
        #expect(meaning(504, "") == "ambiguous")
    }

    @Test func `RFC 8628 section 3.2: a device authorization`() throws {
        let dialect = ProviderDialect.standard()
        func read(_ body: String) -> DeviceAuthorization? {
            let reply = ProviderReply(status: 200, body: SecretBytes(copying: body))
            guard case .granted(let device) = dialect.readDeviceAuthorization(reply, at: dialectNow) else {
                return nil
            }
            return device
        }
        let device = try #require(
            read(
                #"{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://e.com/d","#
                    + #""verification_uri_complete":"https://e.com/d?c=1","expires_in":1800,"interval":7}"#))
        #expect(device.deviceCode.shown == "d")
        #expect(device.userCode == "WDJB-MJHT")
        #expect(device.verificationURIComplete == "https://e.com/d?c=1")
        #expect(device.expiresAt == dialectNow.advanced(by: .seconds(1800)))
        #expect(device.interval == .seconds(7))
        let google = try #require(
            read(#"{"device_code":"d","user_code":"u","verification_url":"https://e.com/d"}"#))
        #expect(google.interval == .seconds(5))
        #expect(google.expiresAt == dialectNow.advanced(by: .seconds(600)))
        #expect(read(#"{"device_code":"d","user_code":"u","verification_uri":"javascript:alert(1)"}"#) == nil)
        #expect(
            read(#"{"device_code":"d","user_code":"\u001b[2J","verification_uri":"https://e.com"}"#) == nil)
        #expect(read("{}") == nil)
    }
}

@Suite struct `Tokens in the dress of each provider` {
    @Test func `everything of RFC 6749 section 5.1`() throws {
        let tokens = try #require(
            ProviderDialect.standard().read(
                200,
                #"{"access_token":"a","refresh_token":"r","id_token":"i","expires_in":3600,"#
                    + #""refresh_token_expires_in":7200,"scope":"x y"}"#
            ).granted)
        #expect(tokens.accessToken.shown == "a")
        #expect(tokens.refreshToken?.shown == "r")
        #expect(tokens.idToken?.shown == "i")
        #expect(tokens.scope == "x y")
        #expect(tokens.accessExpiresAt == dialectNow.advanced(by: .seconds(3600)))
        #expect(tokens.refreshExpiresAt == dialectNow.advanced(by: .seconds(7200)))
    }

    @Test func `an absent, null or empty refresh token is no refresh token`() throws {
        for member in ["", #","refresh_token":null"#, #","refresh_token":"""#] {
            let tokens = try #require(
                ProviderDialect.standard().read(200, #"{"access_token":"a"\#(member)}"#).granted)
            #expect(tokens.refreshToken == nil)
            #expect(tokens.refreshExpiresAt == nil)
        }
    }

    @Test(
        arguments: [
            (#""x y""#, "x y"), (#""x,y""#, "x y"), (#""x, y ,x""#, "x y"), (#"["x","y"]"#, "x y"),
            ("null", nil),
            (#""""#, nil), ("{}", nil), (#""caf\u00e9""#, nil), ("[]", nil),
        ] as [(String, String?)])
    func `scopes with spaces, with commas, as a list, or none`(_ scope: String, _ names: String?) throws {
        let tokens = try #require(
            ProviderDialect.standard().read(200, #"{"access_token":"a","scope":\#(scope)}"#).granted)
        #expect(tokens.scope == names)
    }

    @Test func `the pair of one holder is not mixed with that of another (Slack)`() throws {
        let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider("slack-user")))
        let mixed = try #require(
            dialect.read(200, #"{"ok":true,"refresh_token":"bot-r","authed_user":{"access_token":"user-a"}}"#)
                .granted)
        #expect(mixed.accessToken.shown == "user-a")
        #expect(mixed.refreshToken == nil)
        let refreshed = try #require(
            dialect.read(200, #"{"ok":true,"access_token":"a2","refresh_token":"r2","expires_in":43200}"#)
                .granted)
        #expect(refreshed.accessToken.shown == "a2")
        #expect(refreshed.refreshToken?.shown == "r2")
    }

    @Test func `what the entry wants kept is kept, but never a token or what cannot be shown`() throws {
        let dialect = ProviderDialect.standard {
            $0.replies.kept = ["instance_url", "team.id", "count", "access_token", "odd", "long", "absent"]
        }
        let long = String(repeating: "l", count: 3000)
        let tokens = try #require(
            dialect.read(
                200,
                #"{"access_token":"a","instance_url":"https://e.com","team":{"id":"T1"},"count":5,"#
                    + #""odd":"a\u0007b","long":"\#(long)"}"#
            ).granted)
        #expect(tokens.metadata == ["instance_url": "https://e.com", "team.id": "T1", "count": "5"])
    }

    @Test(arguments: [
        // 2: errors with status 200
        ("slack", 200, #"{"ok":false,"error":"invalid_refresh_token"}"#, "refused grant invalid_grant"),
        ("slack", 200, #"{"ok":false,"error":"ratelimited"}"#, "busy"),
        ("slack", 200, #"{"ok":false}"#, "refused request other"),
        (
            "slack", 200,
            #"{"ok":true,"access_token":"xoxe.xoxb-1","refresh_token":"xoxe-1","expires_in":43200}"#,
            "granted"
        ),
        ("slack", 200, #"{"ok":false,"access_token":"a"}"#, "unreadable"),
        // 3: forms, errors with status 200
        (
            "github-app", 200, "error=bad_refresh_token&error_description=The+token",
            "refused grant invalid_grant"
        ),
        ("github-app", 200, #"{"error":"bad_refresh_token"}"#, "refused grant invalid_grant"),
        (
            "github-app", 200,
            "access_token=ghu_1&expires_in=28800&refresh_token=ghr_1&scope=&token_type=bearer", "granted"
        ),
        // 5: no lifetime
        (
            "salesforce", 200,
            #"{"access_token":"a","issued_at":"1533696079000","instance_url":"https://x"}"#, "granted"
        ),
        // 9
        (
            "fitbit", 400,
            #"{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid: 0"}],"success":false}"#,
            "refused grant invalid_grant"
        ),
        (
            "fitbit", 401, #"{"errors":[{"errorType":"invalid_client","message":"x"}]}"#,
            "refused client invalid_client"
        ),
        // 17
        (
            "withings", 200,
            #"{"status":0,"body":{"userid":1,"access_token":"a","refresh_token":"r","expires_in":10800}}"#,
            "granted"
        ),
        (
            "withings", 200, #"{"status":503,"body":{},"error":"Invalid Params: invalid refresh_token"}"#,
            "refused grant invalid_grant"
        ),
        ("withings", 200, #"{"status":0,"body":{}}"#, "unreadable"),
        // 18
        (
            "atlassian", 403,
            #"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#,
            "refused grant invalid_grant"
        ),
        // 19
        ("facebook", 200, "access_token=EAAB&expires=5183999", "granted"),
        (
            "facebook", 400, #"{"error":{"message":"expired","type":"OAuthException","code":190}}"#,
            "refused grant invalid_grant"
        ),
        (
            "facebook", 400, #"{"error":{"message":"no","type":"OAuthException","code":1}}"#,
            "refused request other"
        ),
        // The seed: errors in 2xx, a lone string for a token, camel case.
        (
            "quantimodo", 200, #"{"error":"invalid_grant","error_description":"x"}"#,
            "refused grant invalid_grant"
        ),
        (
            "quantimodo", 401, #"{"message":"no","errors":[{"message":"no"}]}"#,
            "refused client-or-token unauthorized"
        ),
        ("quantimodo", 200, #""fe0c4fcd8a3bd5f1c0a3ad6b8e2df1b4a9c0de12""#, "granted"),
        ("quantimodo", 200, "fe0c4fcd8a3bd5f1c0a3ad6b8e2df1b4a9c0de12", "granted"),
        ("quantimodo", 200, "Unauthorized", "unreadable"),
        ("quantimodo", 200, "ServiceUnavailable", "unreadable"),
        ("hubspot", 400, #"{"status":"BAD_REFRESH_TOKEN","message":"x"}"#, "refused grant invalid_grant"),
        (
            "strava", 400,
            #"{"message":"Bad Request","errors":[{"resource":"RefreshToken","code":"invalid"}]}"#,
            "refused grant invalid_grant"
        ),
        (
            "strava", 401,
            #"{"message":"Authorization Error","errors":[{"resource":"Application","code":"invalid"}]}"#,
            "refused client invalid_client"
        ),
        ("zoho", 200, #"{"error":"invalid_code"}"#, "refused grant invalid_grant"),
        ("quantimodo", 200, #""no""#, "unreadable"),
        ("quantimodo", 400, "fe0c4fcd8a3bd5f1c0a3ad6b8e2df1b4a9c0de12", "refused request other"),
        ("quantimodo", 200, #"{"accessToken":"a","refreshToken":"r","expiresIn":86400}"#, "granted"),
    ])
    func `of the catalogue`(_ name: String, _ status: Int, _ body: String, _ meaning: String) throws {
        let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider(name)))
        #expect(dialect.read(status, body).summary == meaning)
    }

    @Test(arguments: [
        // 32: success is a word
        (#"{"result":"0000","access_token":"a"}"#, "granted"),
        (#"{"result":"5002"}"#, "refused grant invalid_grant"),
        (#"{"result":"9999"}"#, "refused request other"), (#"{"result":null,"access_token":"a"}"#, "granted"),
        (#"{"result":{},"access_token":"a"}"#, "unreadable"),
    ])
    func `a member that tells success (Coros)`(_ body: String, _ meaning: String) {
        let dialect = ProviderDialect.standard {
            $0.replies.success = .init(path: "result", values: ["0000"])
            $0.replies.errorCodes = ["5002": "invalid_grant"]
        }
        #expect(dialect.read(200, body).summary == meaning)
    }

    @Test(arguments: [
        (400, "", "refused grant invalid_grant"),
        (400, #"{"error":"invalid_scope"}"#, "refused request invalid_scope"),
        (403, "no", "refused client invalid_client"), (404, "", "refused request other"),
        (200, #"{"access_token":"a"}"#, "granted"),
    ])
    func `a refusal that names no code (glewlwyd)`(_ status: Int, _ body: String, _ meaning: String) {
        let dialect = ProviderDialect.standard {
            $0.replies.errorCodes = [
                "http_400": "invalid_grant", "http_403": "invalid_client", "http_200": "invalid_grant",
            ]
        }
        #expect(dialect.read(status, body).summary == meaning)
    }

    @Test func `a path may lead through lists and envelopes (TikTok)`() throws {
        let dialect = ProviderDialect.standard {
            $0.replies.accessToken = ["data.0.access_token"]
            $0.replies.refreshToken = ["data.0.refresh_token"]
        }
        let tokens = try #require(
            dialect.read(200, #"{"data":[{"access_token":"a","refresh_token":"r"}]}"#).granted)
        #expect(tokens.refreshToken?.shown == "r")
        #expect(dialect.read(200, #"{"data":[],"data":[{"access_token":"a"}]}"#).summary == "unreadable")
    }
}
