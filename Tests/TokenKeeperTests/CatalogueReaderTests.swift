import Testing
import TokenKeeper
import VaultCore

private func refusal(_ yaml: String) -> String? {
    do throws(VaultError) {
        _ = try ProviderReader.read(yaml, file: "mine.yaml")
        return nil
    } catch {
        #expect(error.code == .invalidInput)
        #expect(error.remedy.contains("docs/providers.md"))
        return error.message
    }
}

@Suite struct `An entry of one's own` {
    private static let small = """
        name: mine
        title: Mine
        endpoints:
          token: https://as.example.com/token
        """

    @Test func `needs three fields; the standards are the rest`() throws {
        let provider = try ProviderReader.read(Self.small, file: "mine.yaml")
        var expected = Provider(
            name: "mine", title: "Mine", endpoints: .init(token: "https://as.example.com/token"))
        expected.isVerified = false
        #expect(provider == expected)
        #expect(provider.client == .basic)
        #expect(provider.requests.usesPKCE)
        #expect(provider.refresh.replay == .rejected)
    }

    @Test(arguments: [
        (
            "client: digest",
            "mine.yaml, line 5: client must be one of basic, basic_raw, basic_secret_only, post, none."
        ),
        ("colour: red", "mine.yaml, line 5: colour is not a field of an entry."),
        ("name: again", "mine.yaml, line 1: The field name is there twice."),
        ("client_secret: hunter2", "mine.yaml, line 5: client_secret is not a field of an entry."),
        ("client: [post]", "mine.yaml, line 5: client must be one value."),
        ("requests: form", "mine.yaml, line 5: requests must be a mapping of fields."),
        ("requests:\n  body: xml", "mine.yaml, line 6: requests.body must be one of form, json, query."),
        ("requests:\n  method: PUT", "mine.yaml, line 6: requests.method must be one of GET, POST."),
        ("requests:\n  pkce: yes", "mine.yaml, line 6: requests.pkce must be true or false."),
        (
            "requests:\n  pkce: true\n  scopes: x",
            "mine.yaml, line 7: requests.scopes is not a field of an entry."
        ),
        (
            "requests:\n  names:\n    clientid: x",
            "mine.yaml, line 7: requests.names.clientid is no standard name"
        ),
        ("requests:\n  names: {code: x, scope: x}", "mine.yaml, line 6: requests.names has two of one name."),
        (
            "requests:\n  authorize:\n    state: fixed",
            "mine.yaml, line 7: requests.authorize.state is not for an entry to set."
        ),
        (
            "requests:\n  refresh:\n    client_secret: s",
            "mine.yaml, line 7: requests.refresh.client_secret is not for an entry to set."
        ),
        (
            "requests:\n  headers:\n    Authorization: x",
            "mine.yaml, line 7: requests.headers.Authorization is not for an entry to set."
        ),
        (
            "requests:\n  headers:\n    \"X Y\": x",
            "mine.yaml, line 7: requests.headers.with an unreadable name is not the name of a header."
        ),
        (
            "requests:\n  headers:\n    X: \"a\\r\\nb\"",
            "mine.yaml, line 7: requests.headers.X is too long or has control characters."
        ),
        ("requests:\n  scope_separator: \"\"", "mine.yaml, line 6: requests.scope_separator is empty."),
        (
            "replies:\n  kept: access_token",
            "mine.yaml, line 6: replies.kept names a token, which is kept elsewhere."
        ),
        ("replies:\n  access_token: a..b", "mine.yaml, line 6: replies.access_token must be names with dots"),
        ("replies:\n  access_token: []", "mine.yaml, line 6: replies.access_token must have 1 to 16 values."),
        (
            "replies:\n  error_codes: {bad: very_bad}",
            "mine.yaml, line 6: replies.error_codes maps to a code that no standard has"
        ),
        ("replies:\n  success: {path: ok}", "mine.yaml, line 6: replies.success needs the field values."),
        (
            "expiry:\n  form: minutes",
            "mine.yaml, line 6: expiry.form must be one of seconds, milliseconds, instant, clock, day_clock, any."
        ),
        (
            "expiry:\n  default_lifetime: 1 hour",
            "mine.yaml, line 6: expiry.default_lifetime must be a span such as 60s, 30m, 8h or 60d."
        ),
        ("refresh:\n  replay: within", "mine.yaml, line 6: refresh.replay must be tolerated, rejected"),
        (
            "access_token: {header: a, query: b}",
            "mine.yaml, line 5: access_token must have either header or query."
        ),
        ("access_token: {header: \"a b\"}", "mine.yaml, line 5: access_token.header must be one word."),
        (
            "rate_limit: {requests: 0, per: 1m}",
            "mine.yaml, line 5: rate_limit.requests must be a whole number from 1 to 1000000."
        ),
        ("sources: x", "mine.yaml, line 5: sources must be a list."),
        (
            "sources:\n  - {page: x, day: yesterday}",
            "mine.yaml, line 6: sources.day must be a day such as 2026-11-24."
        ),
        ("verified: \"\"", "mine.yaml, line 5: verified is empty."),
        ("client: &a post", "mine.yaml, line 5: Anchors and aliases are not taken."),
        ("client: *a", "mine.yaml, line 5: Anchors and aliases are not taken."),
        ("sources: [&a x, *a]", "mine.yaml, line 5: Anchors and aliases are not taken."),
        ("client: [", "mine.yaml, line 6: This is not YAML"),
        ("---\nclient: post", "mine.yaml, line 5: There must be one document in the file."),
        ("? [a]\n: b", "mine.yaml, line 1: The entry has a name that is not a word."),
    ])
    func `is refused by file, line and field`(_ addition: String, _ message: String) throws {
        let text = try #require(refusal(Self.small + "\n" + addition))
        #expect(text.hasPrefix(message), "\(text)")
        #expect(!text.contains("hunter2"))
    }

    @Test(arguments: [
        ("http://as.example.com/token", "is http, which shows secrets to everybody on the way"),
        ("ftp://as.example.com/token", "is not https"),
        ("https://u:p@as.example.com/", "has a user name or a password in it"),
        ("https://as.example.com/#x", "has a fragment, which is never sent"),
        ("as.example.com", "is not https://host/path"),
        ("https://-a.example/", "has no proper host"), ("https://a:0/", "has no proper host"),
        ("https://a:+80/", "has no proper host"), ("https://a:/", "has no proper host"),
        ("https://a:65536/", "has no proper host"),
        ("https:///x", "has no proper host"),
        ("https://a.example/{Tenant}", "has braces that are not"),
        ("https://a.example/{", "has braces that are not"),
        ("https://a.example/x}", "has braces that are not"),
        ("https://a.example/é", "has characters that no URL has"),
        ("http://127.0.0.1.evil.com/", "is http"), ("http://localhost.evil.com/", "is http"),
        ("http://{host}/", "is http"), ("{issuer}/token", "is not https://host/path"),
    ])
    func `has endpoints of https, or http on this machine`(_ url: String, _ what: String) throws {
        let text = try #require(
            refusal(Self.small.replacing("https://as.example.com/token", with: "\"\(url)\"")))
        #expect(text.hasPrefix("mine.yaml, line 4: endpoints.token \(what)"), "\(text)")
    }

    @Test(arguments: [
        "http://localhost:8080/t", "http://127.0.0.1/t", "http://[::1]:9/t", "https://a.example:8443/t?v=1",
    ])
    func `may be on this machine or on any port`(_ url: String) {
        #expect(refusal(Self.small.replacing("https://as.example.com/token", with: "\"\(url)\"")) == nil)
    }

    @Test(arguments: [
        ("", "mine.yaml: The file is empty."), ("# nothing", "mine.yaml: The file is empty."),
        ("just text", "mine.yaml, line 1: The entry must be a mapping of fields."),
        ("- a", "mine.yaml, line 1: The entry must be a mapping of fields."),
        ("name: mine", "mine.yaml, line 1: The entry needs the field title."),
        ("name: Mine", "mine.yaml, line 1: name must be lower-case letters, digits and hyphens, 64 at most."),
        ("name: \"\"", "mine.yaml, line 1: name is empty."),
        (
            "name: a\ntitle: b\nendpoints: {authorization: \"https://a.b/\"}",
            "mine.yaml, line 3: endpoints needs a token endpoint, or an issuer"
        ),
        ("a: \"\\", "mine.yaml, line 1: This is not YAML"), ("\t- x", "mine.yaml, line 1: This is not YAML"),
    ])
    func `is refused whole`(_ yaml: String, _ message: String) throws {
        let text = try #require(refusal(yaml))
        #expect(text.hasPrefix(message), "\(text)")
    }

    @Test func `costs no more than its length`() throws {
        #expect(
            refusal(String(repeating: "# much\n", count: 10_000))
                == "mine.yaml: The file has more than 64 KiB.")
        for bomb in [
            String(repeating: "[", count: 60_000), String(repeating: "{a: ", count: 15_000),
            String(repeating: "- ", count: 30_000), String(repeating: "? ", count: 30_000),
            (0..<300).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
            (0..<60_000).map { _ in "\"" }.joined(),
            "# x\u{85}a: &a [x]\u{85}b: *a", "\u{FEFF}&a x",
        ] {
            #expect(refusal(bomb) != nil)
        }
        let laughs = "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\n? *c\n: x"
        #expect(refusal(laughs) == "mine.yaml, line 1: Anchors and aliases are not taken.")
    }

    @Test func `no mutation of an entry breaks the reader`() throws {
        let texts = ProviderCatalogue.names.compactMap(ProviderCatalogue.text).map { Array($0.utf8) }
        var state: UInt64 = 7
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var refused = 0
        for round in 0..<2000 {
            var text = texts[round % texts.count]
            for _ in 0..<3 {
                let place = next(text.count)
                switch next(3) {
                case 0: text[place] = UInt8(next(256))
                case 1: text.removeSubrange(place..<min(text.count, place + next(20)))
                default:
                    text.insert(
                        contentsOf: Array("{}[]:&*-?|>!%@`'\"# \n\t,".utf8).dropFirst(next(20)).prefix(2),
                        at: place)
                }
            }
            if refusal(String(decoding: text, as: UTF8.self)) != nil { refused += 1 }
        }
        #expect(refused > 500)
    }
}
