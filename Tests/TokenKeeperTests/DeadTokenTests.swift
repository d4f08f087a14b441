import Foundation
import Testing
import TokenKeeper
import VaultCore

@Suite struct `An entry tells a dead refresh token` {
    private func entry(_ rule: String) throws -> ProviderDialect {
        .of(
            try ProviderReader.read(
                KeeperBench.standardEntry + "\nreplies:\n  dead_token:\n    - \(rule)\n", file: "mine.yaml"))
    }

    @Test(arguments: [
        ("{status: 403, code: unauthorized_client, description: refresh_token is invalid}", 403, true),
        ("{status: 403, code: UNAUTHORIZED_CLIENT}", 403, true),
        ("{description: Refresh*IS invalid}", 403, true),
        ("{code: unauthorized_client, description: refresh_token*refresh_token}", 403, false),
        ("{code: unauthorized_client, description: invalid*refresh_token}", 403, false),
        ("{status: 400, code: unauthorized_client}", 403, false), ("{code: other_code}", 403, false),
        ("{description: another sentence}", 403, false), ("{code: unauthorized_client}", 503, true),
    ])
    func `by status, code and words of the description`(_ rule: String, _ status: Int, _ isDead: Bool) throws
    {
        let body = #"{"error":"unauthorized_client","error_description":"The refresh_token is invalid."}"#
        let dialect = try entry(rule)
        let reading = dialect.read(status, body)
        #expect((reading.refusal?.kind == .grant) == isDead)
        // A code or a revocation is no refresh.
        #expect(dialect.read(status, body, to: .codeExchange).refusal?.kind != .grant)
        // Tokens are not taken for an error.
        let tokens =
            #"{"error":"unauthorized_client","error_description":"refresh_token is invalid","access_token":"a"}"#
        #expect(dialect.read(status, tokens).summary == "unreadable")
    }

    @Test func `the words that are shown are the provider's own`() throws {
        let dialect = try entry("{code: unauthorized_client}")
        let body = #"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#
        #expect(
            dialect.read(403, body).diagnostic
                == "HTTP 403 invalid_grant (unauthorized_client): refresh_token is invalid")
    }

    @Test(arguments: [
        ("{status: 403}", "needs a code or a description: a status alone says too little"),
        ("{code: x, colour: red}", "is not a field of an entry"),
        ("{status: 99, code: x}", "must be a whole number from 200 to 599"),
        ("{description: \"***\"}", "must have 4 to 128 bytes beside each *"),
        ("{description: \"a*b*c\"}", "must have 4 to 128 bytes beside each *"),
        (
            "{description: \"\(Array(repeating: "word", count: 10).joined(separator: "*"))\"}",
            "must have 4 to 128"
        ),
        ("{description: \"\(String(repeating: "w", count: 129))\"}", "must have 4 to 128"),
        ("{code: \"\(String(repeating: "c", count: 129))\"}", "must have at most 128 bytes"),
        ("{code: \"\"}", "is empty"), ("unauthorized_client", "must be a mapping of fields"),
    ])
    func `a rule that says nothing, too much, or something else is refused`(_ rule: String, _ fault: String) {
        #expect {
            try entry(rule)
        } throws: { error in
            guard let error = error as? VaultError else { return false }
            return error.code == .invalidInput && error.message.contains(fault)
                && error.message.contains("mine.yaml, line")
        }
    }

    @Test func `there are 16 rules at most`() throws {
        let many = Array(repeating: "{code: x}", count: 17).joined(separator: "\n    - ")
        #expect(throws: VaultError(.invalidInput, "")) { try entry(many) }
    }

    @Test func `no description makes a pattern slow`() throws {
        let pattern = Array(repeating: "aaaa", count: 9).joined(separator: "*")
        let dialect = try entry("{description: \"\(pattern)b\"}")
        let text = String(repeating: "a", count: 512 * 1024)
        let start = ContinuousClock.now
        #expect(dialect.read(400, #"{"error":"x","error_description":"\#(text)"}"#).refusal?.kind == .request)
        #expect(ContinuousClock.now - start < .seconds(2))
    }
}

@Suite struct `docs/providers.md on dead refresh tokens` {
    private struct Row {
        let entry, answer: String
        var status = 0
        var body: String?
    }

    private func rows() throws -> [Row] {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appendingPathComponent("docs/providers.md"), encoding: .utf8)
        let section = try #require(page.split(separator: "### How a dead refresh token is refused").last)
        return section.matches(of: /\n\| ([a-z0-9-]+) \| ([^|]+) \| [^|]+ \|/).map { match in
            var row = Row(entry: String(match.1), answer: String(match.2))
            if let answer = row.answer.wholeMatch(of: /(\d{3}) `(.*)`/) {
                row.status = Int(answer.1) ?? 0
                row.body = String(answer.2)
            }
            return row
        }
    }

    @Test func `has every entry of the catalogue`() throws {
        #expect(Set(try rows().map(\.entry)) == Set(ProviderCatalogue.names))
    }

    @Test func `each answer asks the user again, as the entry reads it`() throws {
        for row in try rows() {
            let provider = try #require(ProviderCatalogue.provider(row.entry))
            guard let body = row.body else {
                #expect(
                    row.answer
                        == (provider.refresh.method == .none ? "nothing to refresh" : "not documented"),
                    "\(row)")
                continue
            }
            #expect(ProviderDialect.of(provider).read(row.status, body).refusal?.kind == .grant, "\(row)")
            #expect(!provider.sources.isEmpty, "\(row)")
        }
    }

    @Test func `an answer about our client is none about a token`() throws {
        for name in ProviderCatalogue.names {
            let dialect = ProviderDialect.of(try #require(ProviderCatalogue.provider(name)))
            #expect(dialect.read(503, "").summary == "busy")
            #expect(dialect.read(401, "").refusal?.kind == .clientOrToken, "\(name)")
            #expect(dialect.read(400, #"{"error":"unauthorized_client"}"#).refusal?.kind != .grant, "\(name)")
        }
    }
}
