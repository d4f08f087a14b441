import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 3.3: what a scope is, and what it is not.
@Suite struct `RFC 6749 section 3.3, scope` {
    @Test(arguments: [
        ("openid profile openid", "openid profile"), ("a a", "a"), ("b a b a a", "b a"), ("a A", "a A"),
        ("a b", "a b"), ("", ""),
    ])
    func `a repeated name is one name, where it stands first`(_ text: String, _ written: String) throws {
        let scope = try #require(ScopeSet(parsing: text))
        #expect(scope.text == written)
        #expect(scope.names.joined(separator: " ") == written)
        #expect(scope == ScopeSet(parsing: written))
    }

    @Test(arguments: [" a", "a ", "a  b", "a\tb", "a\nb", "a\"b", "a\\b", "ä", " ", "a\u{7F}"])
    func `what is outside the grammar is no scope`(_ text: String) {
        #expect(ScopeSet(parsing: text) == nil)
    }

    @Test func `a scope has 1024 bytes at most, repeats counted`() {
        let names = Array(repeating: "a", count: 512).joined(separator: " ")
        #expect(ScopeSet(parsing: names)?.text == "a")
        #expect(ScopeSet(parsing: names + " a") == nil)
    }

    @Test func `what is stored has one spelling`() throws {
        let scope = try #require(ScopeSet(parsing: "b a b"))
        #expect(ScopeSet(stored: scope.text)?.text == "b a")
        #expect(ScopeSet(stored: "b a b") == nil)
        #expect(ScopeSet(stored: "a  b") == nil)
    }
}

/// RFC 6749 section 3.1.1, and Multiple Response Type Encoding Practices section 5.
@Suite struct `RFC 6749 section 3.1.1, response types` {
    @Test(arguments: [
        ("code", ResponseType.code), ("code code", .code), ("token id_token", .idTokenToken),
        ("id_token token id_token", .idTokenToken), ("id_token id_token", .idToken),
    ])
    func `neither order nor repeats matter`(_ words: String, _ type: ResponseType) {
        #expect(ResponseType(words: words) == type)
    }

    @Test(arguments: ["", " ", "code ", " code", "token  id_token", "code token", "Code"])
    func `other words are no type of ours`(_ words: String) {
        #expect(ResponseType(words: words) == nil)
    }
}
