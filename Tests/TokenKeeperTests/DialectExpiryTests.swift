import Testing
import TokenKeeper
import TokenVault
import VaultCore

@Suite struct `When a token ends, in every spelling` {
    private func read(
        _ value: String, _ form: Provider.ExpiryRules.Form, date: String? = nil,
        defaultLifetime: Duration? = nil
    ) throws -> Duration? {
        let dialect = ProviderDialect.standard {
            $0.expiry.form = form
            $0.expiry.defaultLifetime = defaultLifetime
        }
        let reading = dialect.read(
            200, #"{"access_token":"a","expires_in":\#(value)}"#, headers: date.map { ["date": $0] } ?? [:])
        let end = try #require(reading.granted).accessExpiresAt
        return end.map { .milliseconds($0.millisecondsSince1970 - dialectNow.millisecondsSince1970) }
    }

    @Test(
        arguments: [
            ("3600", .seconds, .seconds(3600)), (#""3600""#, .seconds, .seconds(3600)),
            (#"" 3600 ""#, .seconds, .seconds(3600)), ("3599.5", .seconds, .milliseconds(3_599_500)),
            (#""3600.0""#, .seconds, .seconds(3600)), ("3.6e3", .seconds, .seconds(3600)),
            // 22: 0 is never
            ("0", .seconds, nil), (#""0""#, .seconds, nil), ("0", .milliseconds, nil), ("0", .instant, nil),
            // 26
            ("3600000", .milliseconds, .seconds(3600)), (#""1500""#, .milliseconds, .milliseconds(1500)),
            // 27
            (#""177:05:38""#, .dayClock, .seconds(177 * 86400 + 5 * 3600 + 38 * 60)),
            (#""177:05:38""#, .clock, .seconds(177 * 3600 + 5 * 60 + 38)),
            (#""0:00:00""#, .clock, nil), (#""1:60:00""#, .clock, nil), (#""05:38""#, .clock, nil),
            (#""1:24:00""#, .dayClock, nil), (#""1:-2:3""#, .clock, nil),
            // 10: seconds since 1970; the seed: milliseconds too, and text in UTC
            ("1795536000", .instant, .seconds(3600)), ("1795536000000", .instant, .seconds(3600)),
            (#""1795536000""#, .instant, .seconds(3600)),
            (#""2026-11-24 16:00:00""#, .instant, .seconds(3600)),
            (#""2026-11-24T16:00:00Z""#, .instant, .seconds(3600)),
            (#""2026-11-24T16:00:00.25Z""#, .instant, .milliseconds(3_600_250)),
            (#""2026-11-24T18:00:00+02:00""#, .instant, .seconds(3600)),
            (#""2026-11-24T11:00:00-0500""#, .instant, .seconds(3600)),
            (#""2026-11-24 16:00:00 UTC""#, .instant, .seconds(3600)),
            (#""2018-08-08 02:41:19""#, .instant, .milliseconds(1_533_696_079_000 - 1_795_532_400_000)),
            // Whatever it looks like
            ("3600", .any, .seconds(3600)), ("1795536000", .any, .seconds(3600)),
            ("1795536000000", .any, .seconds(3600)), (#""2026-11-24 16:00:00""#, .any, .seconds(3600)),
            (#""1:00:00""#, .any, .seconds(3600)), (#""3600""#, .any, .seconds(3600)), ("0", .any, nil),
        ] as [(String, Provider.ExpiryRules.Form, Duration?)])
    func `a form`(_ value: String, _ form: Provider.ExpiryRules.Form, _ lifetime: Duration?) throws {
        #expect(try read(value, form) == lifetime)
    }

    @Test(arguments: [
        "null", #""""#, #""soon""#, #""NaN""#, #""nan""#, #""inf""#, #""0x10""#, "-1", "-3600.5", "true",
        "[]", "{}",
        #""2026-13-01 00:00:00""#, #""2026-02-30T00:00:00Z""#, #""2026-11-24""#, #""1e""#,
    ])
    func `what makes no sense is as if it were not there`(_ value: String) throws {
        for form in Provider.ExpiryRules.Form.allCases {
            #expect(try read(value, form, defaultLifetime: .seconds(1800)) == .seconds(1800), "\(form)")
            #expect(try read(value, form) == nil, "\(form)")
        }
    }

    @Test func `for ever is a hundred years`() throws {
        let century = Duration.seconds(36525 * 86400)
        for (value, form) in [
            ("1e18", .seconds), ("1e400", .seconds), ("99999999999999999999", .milliseconds),
            ("99999999999999", .instant), (#""9999-12-31T23:59:59Z""#, .instant), ("1e300", .any),
            (#""18446744073709551615:00:00""#, .clock), (#""9999999999999999:00:00""#, .dayClock),
        ] as [(String, Provider.ExpiryRules.Form)] {
            #expect(try read(value, form) == century, "\(value) \(form)")
        }
    }

    @Test func `times of the server's clock are moved to ours; spans are not`() throws {
        // The server is ten minutes ahead.
        let date = "Tue, 24 Nov 2026 15:10:00 GMT"
        #expect(try read("1795536000", .instant, date: date) == .seconds(3000))
        #expect(try read("3600", .seconds, date: date) == .seconds(3600))
        #expect(try read("1795536000", .instant, date: "Tue, 24 Nov 2026 14:50:00 GMT") == .seconds(4200))
        // What cannot be a clock is not believed.
        #expect(try read("1795536000", .instant, date: "Thu, 01 Jan 1970 00:00:00 GMT") == .seconds(3600))
        #expect(try read("1795536000", .instant, date: "yesterday") == .seconds(3600))
    }

    @Test func `the seed's order: milliseconds, then the names of a time, then a span`() throws {
        let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider("quantimodo")))
        func end(_ members: String) throws -> Int64? {
            let tokens = try #require(dialect.read(200, #"{"accessToken":"a",\#(members)}"#).granted)
            return tokens.accessExpiresAt?.millisecondsSince1970
        }
        #expect(
            try end(#""accessTokenExpiresAtMilliseconds":1533696079000,"expires":"2030-01-01 00:00:00""#)
                == 1_533_696_079_000)
        #expect(try end(#""expires":"2018-08-08 02:41:19","expires_in":60"#) == 1_533_696_079_000)
        #expect(try end(#""expiresAt":1533696079"#) == 1_533_696_079_000)
        #expect(try end(#""accessTokenExpires":1533696079000"#) == 1_533_696_079_000)
        #expect(try end(#""expires_in":60"#) == dialectNow.advanced(by: .seconds(60)).millisecondsSince1970)
    }

    @Test(
        arguments: [
            ("strava", #"{"access_token":"a","expires_at":1795536000,"expires_in":3600}"#, 3600),
            ("strava", #"{"access_token":"a","expires_at":1795536000}"#, 3600),
            ("strava", #"{"access_token":"a"}"#, 21600), ("xero", #"{"access_token":"a"}"#, 1800),
            ("facebook", #"{"access_token":"a"}"#, 60 * 86400), ("salesforce", #"{"access_token":"a"}"#, nil),
            ("github-oauth-app", #"{"access_token":"a"}"#, nil),
        ] as [(String, String, Int64?)])
    func `by the entry's rules`(_ name: String, _ body: String, _ seconds: Int64?) throws {
        let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider(name)))
        let tokens = try #require(dialect.read(200, body).granted)
        #expect(tokens.accessExpiresAt == seconds.map { dialectNow.advanced(by: .seconds($0)) })
    }

    @Test func `a refresh token's end has its own name (Intuit)`() throws {
        let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider("quickbooks")))
        let tokens = try #require(
            dialect.read(200, #"{"access_token":"a","expires_in":3600,"x_refresh_token_expires_in":8726400}"#)
                .granted)
        #expect(tokens.refreshExpiresAt == dialectNow.advanced(by: .seconds(8_726_400)))
    }
}
