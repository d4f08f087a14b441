import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultCore

@Suite struct `No mutation of a reply loses a token` {
    private static let token = "tok-4f9a1c77e2b05d68"
    private static let replies: [(provider: String, body: String)] = [
        (
            "oidc",
            #"{"access_token":"\#(token)","token_type":"Bearer","expires_in":3600,"refresh_token":"rrr","scope":"a b"}"#
        ),
        ("oidc", "access_token=\(token)&expires=5183999&token_type=bearer"),
        (
            "slack",
            #"{"ok":true,"access_token":"\#(token)","refresh_token":"rrr","expires_in":43200,"team":{"id":"T"}}"#
        ),
        (
            "slack-user",
            #"{"ok":true,"authed_user":{"id":"U","access_token":"\#(token)","refresh_token":"rrr"}}"#
        ),
        (
            "withings",
            #"{"status":0,"body":{"userid":1,"access_token":"\#(token)","refresh_token":"rrr","expires_in":10800}}"#
        ),
        ("quantimodo", #"{"accessToken":"\#(token)","refreshToken":"rrr","expires":"2018-08-08 02:41:19"}"#),
        ("quantimodo", #""\#(token)""#), ("quantimodo", token),
        ("facebook", "access_token=\(token)&expires=5183999"),
        ("github-app", "access_token=\(token)&expires_in=28800&refresh_token=ghr&scope=&token_type=bearer"),
        (
            "salesforce",
            #"{"access_token":"\#(token)","issued_at":"1533696079000","instance_url":"https:\/\/x"}"#
        ),
        ("fitbit", #"{"access_token":"\#(token)","refresh_token":"rrr","errors":[],"expires_in":28800}"#),
    ]
    private static let fragments = [
        "\"", "{", "}", "[", "]", ":", ",", "&", "=", "%", "\\", "\\u0000", "\\ud800", "null", "0", "-1",
        "1e999",
        "\u{0}", "\u{FEFF}", "é", "<", " ", "\n", #""access_token":"other","#, "access_token", "true",
    ]

    private static func mutated(_ body: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var body = body
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...body.count, using: &random)
            let end = min(body.count, place + Int.random(in: 0...12, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where place < body.count: body[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1 where place < body.count: body[place] = UInt8.random(in: 0...255, using: &random)
            case 2: body.removeSubrange(place..<end)
            case 3:
                body.insert(contentsOf: body[place..<end], at: Int.random(in: 0...body.count, using: &random))
            case 4:
                body.insert(
                    contentsOf: fragments[Int.random(in: 0..<fragments.count, using: &random)].utf8, at: place
                )
            default: if Bool.random(using: &random) { body.removeSubrange(place...) }
            }
        }
        return body
    }

    @Test(arguments: 0..<12)
    func `a success that still holds the token is granted or sealed`(_ index: Int) throws {
        let (name, text) = Self.replies[index]
        let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider(name)))
        let token = Array(Self.token.utf8)
        var held = 0
        var granted = 0
        for seed in 0..<2500 {
            var random = SeededGenerator(seed: UInt64(index) << 32 | UInt64(seed))
            let body = Self.mutated(Array(text.utf8), &random)
            let reply = ProviderReply(status: seed.isMultiple(of: 9) ? 201 : 200, body: SecretBytes(body))
            let reading = dialect.read(reply, to: .refresh, at: dialectNow, sent: [])
            #expect(reading.diagnostic.unicodeScalars.count <= 200)
            #expect(!reading.diagnostic.contains(Self.token), "seed \(seed) of \(index)")
            guard body.firstRange(of: token) != nil else { continue }
            held += 1
            switch reading {
            case .granted: granted += 1
            case .unreadable: break
            default:
                Issue.record(
                    "seed \(seed) of \(index): \(reading.summary) for \(String(decoding: body, as: UTF8.self))"
                )
            }
        }
        #expect(held > 100 && granted > 50, "the mutations still reach the reader: \(held), \(granted)")
    }

    @Test func `a success that also names an error is sealed, wherever the error stands`() throws {
        for (name, text) in Self.replies where text.count > Self.token.count + 2 {
            let dialect = try ProviderDialect.of(#require(ProviderCatalogue.provider(name)))
            let isForm = !text.hasPrefix("{")
            for member in [("error", "invalid_grant"), ("error", "other words"), ("error", Self.token)] {
                let error = isForm ? "\(member.0)=\(member.1)" : #""\#(member.0)":"\#(member.1)""#
                let bodies =
                    isForm
                    ? [error + "&" + text, text + "&" + error]
                    : ["{" + error + "," + text.dropFirst(), text.dropLast() + "," + error + "}"]
                for body in bodies {
                    let reading = dialect.read(200, body)
                    // Withings has its errors elsewhere: there it is no error.
                    #expect(["unreadable", "granted"].contains(reading.summary), "\(body)")
                    #expect(name == "withings" || reading.summary == "unreadable", "\(name)")
                    #expect(!reading.diagnostic.contains(Self.token))
                }
            }
        }
    }

    @Test func `whatever the status and the headers, nothing breaks and nothing is shown`() throws {
        let names = ProviderCatalogue.names
        for seed in 0..<4000 {
            var random = SeededGenerator(seed: UInt64(seed) | 1 << 40)
            let provider = try #require(ProviderCatalogue.provider(names[seed % names.count]))
            let body = Self.mutated(Array(Self.replies[seed % 12].body.utf8), &random)
            let reply = ProviderReply(
                status: Int.random(in: -1...700, using: &random),
                headers: [
                    "date": String(
                        decoding: Self.mutated(Array("Tue, 24 Nov 2026 15:00:00 GMT".utf8), &random),
                        as: UTF8.self),
                    "retry-after": String(decoding: Self.mutated(Array("1200".utf8), &random), as: UTF8.self),
                ], body: SecretBytes(body))
            let reading = ProviderDialect.of(provider).read(
                reply, to: .codeExchange, at: dialectNow, sent: [SecretBytes(copying: Self.token)])
            #expect(!reading.diagnostic.contains(Self.token), "seed \(seed)")
            if case .busy(let retryAfter?, _) = reading { #expect(retryAfter <= .seconds(86400)) }
        }
    }
}
