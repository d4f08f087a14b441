import JOSE
import Testing
import TokenVault
import VaultCore

@Suite("OpenID Connect Core 3.1.3.6: at_hash")
struct AccessTokenHashTests {
    @Test func `the example of appendix A.3 gives its at_hash`() {
        let token = SecretBytes(Array("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y".utf8))
        #expect(AccessTokenHash.of(token, .rs256) == "77QmUPtjPfzWtF2AnpK9RQ")
    }
}
