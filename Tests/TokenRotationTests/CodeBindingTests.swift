import Testing
import TokenRotation

@Suite("RFC 6749 section 4.1.3 and RFC 9700 section 2.1.1: a code is bound to the request it came from")
struct CodeBindingTests {
    static let address = "https://client.example/callback"

    private func check(
        bound: String? = nil, presented: String? = nil, challenge: String? = nil, derived: String? = nil,
        isMalformed: Bool = false
    ) -> RefusalReason? {
        CodeBinding.check(
            boundRedirectURI: bound, boundChallenge: challenge, presentedRedirectURI: presented,
            derivedChallenge: derived, isVerifierMalformed: isMalformed)
    }

    @Test func `the same redirect URI passes`() {
        #expect(check(bound: Self.address, presented: Self.address) == nil)
    }

    @Test(arguments: [
        nil, "", "https://client.example/callback/", "https://client.example/Callback",
        "HTTPS://client.example/callback", "https://client.example:443/callback",
        "https://client.example/callback?", "https://client.example/callback?a=b",
        "https://other.example/callback",
    ])
    func `a redirect URI that differs in any octet is refused`(_ presented: String?) {
        #expect(check(bound: Self.address, presented: presented) == .redirectURIMismatch)
    }

    @Test func `two spellings of one character are two redirect URIs`() {
        let composed = "https://client.example/caf\u{E9}"
        let decomposed = "https://client.example/cafe\u{301}"
        #expect(composed == decomposed)
        #expect(check(bound: composed, presented: decomposed) == .redirectURIMismatch)
    }

    @Test(arguments: [nil, address])
    func `where the authorization request had no redirect URI, any will do`(_ presented: String?) {
        #expect(check(presented: presented) == nil)
    }

    @Test func `the verifier of the challenge passes`() {
        #expect(check(challenge: "E9Melhoa2Ow", derived: "E9Melhoa2Ow") == nil)
    }

    @Test func `another verifier is refused`() {
        #expect(check(challenge: "E9Melhoa2Ow", derived: "E9Melhoa2Ox") == .codeVerifierMismatch)
        #expect(check(challenge: "E9Melhoa2Ow", derived: "e9melhoa2ow") == .codeVerifierMismatch)
    }

    @Test(arguments: [nil, "E9Melhoa2Ow"])
    func `a malformed verifier is refused, whatever it hashes to`(_ derived: String?) {
        #expect(check(challenge: "E9Melhoa2Ow", derived: derived, isMalformed: true) == .codeVerifierMismatch)
    }

    @Test func `a challenge asks for a verifier`() {
        #expect(check(challenge: "E9Melhoa2Ow") == .codeVerifierMissing)
    }

    @Test(arguments: [(nil, true), ("E9Melhoa2Ow", false), ("E9Melhoa2Ow", true)] as [(String?, Bool)])
    func `without a challenge no verifier is accepted`(_ derived: String?, _ isMalformed: Bool) {
        #expect(check(derived: derived, isMalformed: isMalformed) == .codeVerifierUnexpected)
    }

    @Test func `the verifier does not make up for the redirect URI`() {
        let reason = check(bound: Self.address, challenge: "E9Melhoa2Ow", derived: "E9Melhoa2Ow")
        #expect(reason == .redirectURIMismatch)
    }

    @Test func `the redirect URI does not make up for the verifier`() {
        let reason = check(bound: Self.address, presented: Self.address, challenge: "E9Melhoa2Ow")
        #expect(reason == .codeVerifierMissing)
    }
}
