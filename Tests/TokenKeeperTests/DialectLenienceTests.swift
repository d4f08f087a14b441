import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultCore

@Suite struct `A reply that can be read is read` {
    private func read(_ body: [UInt8]) -> ReplyReading<NewTokens> {
        ProviderDialect.standard().read(
            ProviderReply(status: 200, body: SecretBytes(body)), to: .refresh, at: dialectNow, sent: [])
    }

    @Test(
        arguments: [
            // ISO-8859-1, and octets of no encoding.
            Array(#"{"name":"Jos"#.utf8) + [0xE9] + Array(#"","access_token":"a"}"#.utf8),
            Array(#"{"access_token":"a","x":{"#.utf8) + [0x22, 0xFF, 0xC0, 0x22] + Array(":1}}".utf8),
            // A bare line break, half a pair of surrogates, escapes that mean nothing.
            Array("{\"error_description\":\"two\nlines\",\"access_token\":\"a\"}".utf8),
            Array(#"{"name":"\ud83d","access_token":"a"}"#.utf8),
            Array(#"{"name":"\ud83dx\ude00","access_token":"a"}"#.utf8),
            Array(#"{"name":"it\'s \x41 \u12","access_token":"a"}"#.utf8),
        ] as [[UInt8]])
    func `whatever stands in texts beside the tokens`(_ body: [UInt8]) {
        #expect(read(body).granted?.accessToken.shown == "a")
    }

    @Test(
        arguments: [
            Array(#"{"access_token":"a"#.utf8) + [0xE9] + Array(#""}"#.utf8),
            Array("{\"access_token\":\"a\nb\"}".utf8), Array(#"{"access_token":"a\ud83d"}"#.utf8),
            Array(#"{"access_token":"a\x41"}"#.utf8), Array(#"{"access_token":"a\u00e9"}"#.utf8),
            Array(#"{"access_token":"a","refresh_token":"r\'"}"#.utf8),
        ] as [[UInt8]])
    func `but nothing of that in a token: such a reply is sealed`(_ body: [UInt8]) {
        #expect(read(body).summary == "unreadable")
    }

    @Test func `a pair of surrogates is one character`() throws {
        let dialect = ProviderDialect.standard { $0.replies.kept = ["name"] }
        let tokens = try #require(dialect.read(200, #"{"name":"\ud83d\ude00","access_token":"a"}"#).granted)
        #expect(tokens.metadata["name"] == "\u{1F600}")
    }

    @Test(arguments: [
        // casdoor/casdoor#611, and its kind.
        "error: token is expired by 23m58.37607235s", "Invalid refresh token", "invalid_grant",
        "expired_token",
    ])
    func `words in the place of the access token are a refusal, and told`(_ words: String) throws {
        let body = #"{"access_token":"\#(words)","refresh_token":"","expires_in":0,"scope":""}"#
        let reading = ProviderDialect.standard().read(200, body)
        #expect(reading.summary == "refused request other")
        #expect(reading.diagnostic.contains(words))
    }

    @Test(arguments: [
        // What may hold a token after all is kept.
        #"{"access_token":"Bearer ya29.a0AfH6SMBx8Lq0123456789abcdef"}"#,
        #"{"access_token":"no longer valid","refresh_token":"r2"}"#,
        #"{"access_token":"two words","error":"x"}"#,
        #"{"access_token":"null"}"#, #"{"access_token":"undefined","refresh_token":"r2"}"#,
    ])
    func `what is no token is never handed out`(_ body: String) {
        #expect(ProviderDialect.standard().read(200, body).summary == "unreadable")
    }

    @Test func `a redirect names where to, without what may be secret`() {
        let dialect = ProviderDialect.standard()
        func told(_ status: Int, _ location: String) -> String {
            dialect.read(status, "", headers: ["location": location], sent: ["sent-refresh-token"]).diagnostic
        }
        // RFC 9110 sections 15.4.2, 15.4.8 and 15.4.9: not done here.
        for status in [301, 307, 308] {
            #expect(dialect.read(status, "").summary == "refused request moved")
            #expect(
                told(status, "https://login.provider.example/realms/long-name/oauth2/v2/token?x=y#z")
                    == "HTTP \(status) moved to https://login.provider.example/realms/long-name/oauth2/v2/token"
            )
        }
        for status in [300, 302, 303] { #expect(dialect.read(status, "").summary == "ambiguous") }
        #expect(told(302, "/login?code=c") == "HTTP 302 a redirect to /login")
        let secret = told(308, "https://user:pass@x.example/sent-refresh-token/ya29a0AfH6SMBx8Lq0123456789")
        #expect(secret == "HTTP 308 moved to https://x.example/<redacted>/<redacted>")
        for odd in ["javascript:alert(1)", "\u{1B}[2J", "", String(repeating: "/x", count: 4000)] {
            #expect(told(308, odd).unicodeScalars.allSatisfy { $0.value >= 0x20 })
            #expect(told(308, odd).unicodeScalars.count <= 200)
        }
    }

    @Test(
        arguments: [
            ("120.5", "busy 120"), ("0.4", "busy 0"), ("99999999999", "busy 86400"), (" 120 ", "busy 120"),
            ("120, 120", "busy 120"), ("120,60", "busy 120"), ("120s", "busy 120"), ("٣", "busy"),
            (String(repeating: "9", count: 200), "busy 86400"), ("1e3", "busy"), ("0x10", "busy"),
            ("-5", "busy"), ("-0.5", "busy"), ("soon", "busy"), ("", "busy"), (",", "busy"), ("inf", "busy"),
            ("2026-11-24T15:02:00Z", "busy 120"), ("Tue, 24 Nov 2026 15:02:00 UTC", "busy 120"),
            ("Tue, 24 Nov 2026 15:02:00 +0000", "busy 120"), ("Tue, 24 Nov 2099 15:02:00 GMT", "busy 86400"),
        ])
    func `Retry-After in the spellings of servers, at most a day`(_ value: String, _ meaning: String) {
        let reading = ProviderDialect.standard().read(429, "", headers: ["retry-after": value])
        #expect(reading.summary == meaning)
    }

    @Test func `a scope with the provider's own separator, or lines`() {
        let dialect = ProviderDialect.standard { $0.requests.scopeSeparator = "|" }
        func scope(_ text: String) -> String? {
            dialect.read(200, #"{"access_token":"a","scope":"\#(text)"}"#).granted?.scope
        }
        #expect(scope("x|y") == "x y")
        #expect(scope("x,y z\\tx") == "x y z")
    }
}

@Suite struct `A compressed reply is read within bounds (RFC 1950, 1951, 1952)` {
    /// Made by zlib 1.3 of the same text: gzip, zlib, a stored block, all fields of a header, fixed codes.
    private static let packed = [
        "H4sIAAAAAAACA6tWSkxOTi0uji/Jz07NU7JSSizRNdRNRAJKOkpFqWlFqcUZcDVFIDVFSACoJrWiIBOoKD4TqMDYzMBARykvMTcVZCARQKkWALe91cuIAAAA",
        "eNqrVkpMTk4tLo4vyc9OzVOyUkos0TXUTUQCSjpKRalpRanFGXA1RSA1RUgAqCa1oiATqCg+E6jA2MzAQEcpLzE3FWQgEUCpFgCwFS+b",
        "H4sIAAAAAAAEAwGIAHf/eyJhY2Nlc3NfdG9rZW4iOiJhdC0xLWFhYWFhYWFhYWFhYSIsInJlZnJlc2hfdG9rZW4iOiJydC0xLXJycnJycnJycnJyciIsImV4cGlyZXNfaW4iOjM2MDAsIm5hbWUiOiJhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWEifbe91cuIAAAA",
        "H4sIHgAAAAAAAwMAYWJjcmVwbHkuanNvbgBub3RlAIl/q1ZKTE5OLS6OL8nPTs1TslJKLNE11E1EAko6SkWpaUWpxRlwNUUgNUVIAKgmtaIgE6goPhOowNjMwEBHKS8xNxVkIBFAqRYAt73Vy4gAAAA=",
        "H4sIAAAAAAAAA6tWSkxOTi0uji/Jz07NU7JSSizRNdRNRAJKOkpFqWlFqcUZcDVFIDVFSACoJrWiIBOoKD4TqMDYzMBARykvMTcVZCARQKkWALe91cuIAAAA",
    ].compactMap { Base64.decode($0.utf8) }
    /// With codes of its own, and references that reach back a thousand octets.
    private static let dynamic =
        "eNpVVNuqFEEM/BXZZwM7t734KyLSuXYieMRzfBL/3VoFN87TUJNOV6Uq8/M0ROz19fPbyxf7evrw7jTeaKHRntP7d6f4/vLj2ys+f/z7SmeSYuM557/POBbKc0TUE1tpTNNif7ahDe1zhEbDdkqdM9X1iR2k00YkyxO7kLFnpNoTu5LVzKjRuNxII8TT+YndaaJXhnfOZxAcVlXRwIVEUodmNnBFy/Ty2a5eNsoCRfmvckflmF7ZxCwHZUwPH73yguPoWKNXXkmyhNPafJYbMT+YduHLnbjEjaVNaD2TpZjNLnNdaPKw8GgXrSuGaanVjVg30hEyZDae604YeU7NXnlQlMcw6T0vNIzZTNo81yuVCTyvXnmjmlKPIDTwTs4gVNrIb2fisJzDW7A2pM2GqFfTvq0EhcbwqYHwCMni0XO07X8sNpjUwIPM3RmBbeCFHjSR4KZou4KSiHP1yhsFw3QsRgOhyHB8WkvijtTZqMHRQaydQrtw076vJCocka3nDkXwl7Vv1b5jrQxhiqZ9h0fMXrNT2i+kldNNmvb9SmqqEN8p3RCbco0exR2KxMu079ZxfiS5WLVVHgsWAQlDchuIX4L5nAh4Azf4noKnkT925DORHG3GHdij8VgtaYqOC/IpA8630R1XgIgNgtNAeORi+Es14447RocgFfbo06/fPCqetw=="

    private func read(_ body: [UInt8]) -> ReplyReading<NewTokens> {
        ProviderDialect.standard().read(
            ProviderReply(status: 200, body: SecretBytes(body)), to: .refresh, at: dialectNow, sent: [])
    }

    @Test func `in every form of deflate, whatever its header says`() throws {
        #expect(Self.packed.count == 5)
        for body in Self.packed {
            let tokens = try #require(read(body).granted)
            #expect(tokens.accessToken.shown == "at-1-aaaaaaaaaaaa")
            #expect(tokens.refreshToken?.shown == "rt-1-rrrrrrrrrrrr")
        }
        let dynamic = try #require(Base64.decode(Self.dynamic.utf8))
        #expect(read(dynamic).granted?.accessToken.shown == "at-1-aaaaaaaaaaaa")
    }

    @Test func `damaged, cut off or followed by anything it is sealed as it came`() {
        for body in Self.packed {
            for count in 0..<body.count { #expect(read(Array(body.prefix(count))).granted == nil) }
            #expect(read(body + [0]).granted == nil)
        }
        // The check sum finds what the format alone would not.
        var stored = Self.packed[2]
        stored[40] ^= 1
        #expect(read(stored).summary == "unreadable")
        var random = SeededGenerator(seed: 7)
        for _ in 0..<4000 {
            var body = Self.packed[Int.random(in: 0..<5, using: &random)]
            for _ in 0..<3 {
                body[Int.random(in: 10..<body.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            _ = read(body)
        }
    }

    @Test func `a few octets that unfold to many are not unfolded`() {
        // RFC 1951 section 3.2.6: one octet, then references of 258 octets each, one bit of code and five of distance.
        var bits: [Bool] = [true, true, false]
        func add(_ value: Int, _ count: Int) {
            bits += (0..<count).map { value >> (count - 1 - $0) & 1 == 1 }
        }
        add(0x30 + Int(UInt8(ascii: " ")), 8)
        for _ in 0..<100_000 {
            add(0b1100_0101, 8)
            add(0, 5)
        }
        add(0, 7)
        var body: [UInt8] = [0x78, 0x01]
        for start in stride(from: 0, to: bits.count, by: 8) {
            body.append(
                bits[start..<min(start + 8, bits.count)].reversed().reduce(0) { $0 << 1 | ($1 ? 1 : 0) })
        }
        // 160 KiB that hold 25 MiB.
        #expect(read(body + [0, 0, 0, 0]).summary == "unreadable")
    }
}
