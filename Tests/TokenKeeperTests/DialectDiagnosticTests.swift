import Testing
import TokenKeeper
import TokenVault
import VaultCore

@Suite struct `Text of a provider is shown without secrets` {
    private static let refreshToken = "rt/9f8e+7d6c=5b4a~3210._-SECRET"
    private static let clientSecret = "s3cr3t/+ of ours"

    private func diagnostic(_ description: String, status: Int = 400) -> String {
        let body = #"{"error":"invalid_grant","error_description":"\#(description)"}"#
        return ProviderDialect.standard().read(status, body, sent: [Self.refreshToken]).diagnostic
    }

    private static func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }

    private static func percent(_ text: String, upper: Bool = true) -> String {
        text.utf8.map { byte in
            let digits = String(byte, radix: 16)
            return "%" + (digits.count < 2 ? "0" : "") + (upper ? digits.uppercased() : digits)
        }.joined()
    }

    @Test(arguments: [
        refreshToken, clientSecret, refreshToken.lowercased(), refreshToken.uppercased(),
        "rt%2F9f8e%2B7d6c%3D5b4a~3210._-SECRET", "rt%2f9f8e%2b7d6c%3d5b4a~3210._-SECRET",
        percent(refreshToken), percent(clientSecret, upper: false), percent(percent(refreshToken)),
        percent(percent(percent(clientSecret))), "s3cr3t%2F%2B+of+ours", "s3cr3t%2F%2B%20of%20ours",
        #"rt\\/9f8e+7d6c=5b4a~3210._-SECRET"#, #"\\u0072t\\u002f9f8e+7d6c=5b4a~3210._-SECRET"#,
        "s3cr3t&#x2F;&#43; of ours", base64(refreshToken), base64(clientSecret), base64("x" + refreshToken),
        base64("xy" + refreshToken + "zz"), base64("client 1:" + clientSecret),
        "Basic " + base64("client%201:s3cr3t%2F%2B%20of%20ours"), percent(base64(clientSecret)),
        #"s3cr3t/\u200b+ of ours"#, #"s3cr3t/+\u202e of ours"#, "rt/9f8e+7d6...", "...5b4a~3210._-SECRET",
        #"rt/9f8e\u0000+7d6c=5b4a~3210._-SECRET"#, #"rt/9f8e+7d\r\n6c=5b4a~3210. _-SECRET"#,
    ])
    func `a secret that was sent is masked, however it is spelled`(_ spelling: String) {
        for around in ["", "\\\"", "'", "<", "["] {
            let text = diagnostic("Token \(around)\(spelling)\(around) is not known")
            #expect(text.contains("<redacted>"), "\(spelling)")
            #expect(text.hasPrefix("HTTP 400 invalid_grant: Token "), "\(spelling)")
            let left = text.lowercased()
            for secret in ["9f8e", "5b4a", "secret", "s3cr3t", "ours", "zdgzj", "czNjc"] {
                #expect(!left.contains(secret.lowercased()), "\(spelling): \(text)")
            }
        }
    }

    @Test func `a secret is found wherever it stands in base64`() {
        for before in 0..<7 {
            for after in 0..<4 {
                let text =
                    String(repeating: "a", count: before) + Self.clientSecret
                    + String(repeating: "b", count: after)
                for spelling in [Self.base64(text), Base64URL.encodeToString(Array(text.utf8))] {
                    #expect(diagnostic("is \(spelling)") == "HTTP 400 invalid_grant: is <redacted>")
                }
            }
        }
    }

    @Test func `Fitbit's message holds the refresh token, and does not when it is shown`() throws {
        let token = "6c2e5b9d8f1a4e7c0b3d6f9a2c5e8b1d4f7a0c3e6b9d2f5a8c1e4b7d0f3a6c9e"
        let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider("fitbit")))
        let body =
            #"{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid: \#(token). Visit"}]}"#
        let expected = "HTTP 400 invalid_grant: Refresh token invalid: <redacted> Visit"
        #expect(dialect.read(400, body, sent: [token]).diagnostic == expected)
        // Also one that was not ours.
        #expect(dialect.read(400, body).diagnostic == expected)
    }

    @Test func `what looks like a token is masked; what helps an operator stays`() {
        #expect(
            diagnostic("AADSTS700082: The refresh token has expired due to inactivity.")
                == "HTTP 400 invalid_grant: AADSTS700082: The refresh token has expired due to inactivity.")
        for token in [
            "ghr_1B4a2e77838347a7E420", "1//0gLu8AbCdEfGhIj", "eyJhbGciOiJub25lIn0.e30.",
            "abcdefghijklmnopqrstuvwx",
        ] {
            #expect(diagnostic("got \(token) instead") == "HTTP 400 invalid_grant: got <redacted> instead")
        }
    }

    @Test func `at most 200 characters, one line, nothing that turns a terminal or the reading direction`() {
        let text = diagnostic(
            #"a\u001b[31mred\nnext\tline\u202eevil\u2066x\u0085y\u2028z\ufeff "#
                + String(repeating: "word ", count: 100))
        #expect(text.unicodeScalars.count == 200)
        #expect(text.hasPrefix("HTTP 400 invalid_grant: a[31mred next lineevilx y z word"))
        let odd = text.unicodeScalars.filter {
            [.control, .format, .lineSeparator].contains($0.properties.generalCategory)
        }
        #expect(odd.isEmpty)
        // Marks upon marks are one character and no end of scalars.
        #expect(diagnostic("e" + String(repeating: #"\u0301"#, count: 1000)).unicodeScalars.count == 200)
    }

    @Test func `the provider's own code is shown scrubbed; the code of the refusal is of a fixed vocabulary`()
    {
        let dialect = ProviderDialect.standard()
        let known = dialect.read(400, #"{"error":"expired_refresh"}"#)
        #expect(known.refusal?.code == "other")
        #expect(known.diagnostic == "HTTP 400 other (expired_refresh)")
        let echo = dialect.read(400, #"{"error":"bad \#(Self.refreshToken)"}"#, sent: [Self.refreshToken])
        #expect(echo.diagnostic == "HTTP 400 other (bad <redacted>)")
    }

    @Test func `text too long to be searched is left out`() {
        #expect(diagnostic(String(repeating: "word ", count: 10_000)) == "HTTP 400 invalid_grant")
    }

    @Test func `nothing of a body that cannot be read is quoted`() {
        let dialect = ProviderDialect.standard()
        for body in [
            "access_token=\u{1}zzz", "<p>zzz", "zzz", #"{"access_token":"zzz"#, #"{"access_token":["zzz"]}"#,
        ] {
            #expect(!dialect.read(200, body).diagnostic.contains("zzz"))
        }
        #expect(dialect.read(200, "<p>").diagnostic == "HTTP 200 no access token in a page of HTML or XML")
    }

    @Test func `a secret of one letter hides what holds it`() {
        let body = #"{"error":"invalid_grant","error_description":"banana split"}"#
        let text = ProviderDialect.standard().read(400, body, sent: ["a"]).diagnostic
        #expect(text == "HTTP 400 invalid_grant: <redacted> split")
    }
}
