import Testing
import TokenRotation
import VaultCore

@Suite("RFC 6750 section 3.1: which access tokens are good")
struct AccessTokenRulesTests {
    struct Case: Sendable {
        var name: String
        var generation: UInt32 = 5
        var current: UInt32 = 5
        var isFamilyProven = true
        var isTokenProven = true
        var status = GrantStatus.live
        var owner = OwnerStanding.good
        var millisecondsLeft: Int64 = 1
        var expected: RefusalReason?
    }

    static let cases = [
        Case(name: "of cur", expected: nil),
        Case(name: "of cur, at its end", millisecondsLeft: 0, expected: .accessTokenExpired),
        Case(name: "of cur, past its end", millisecondsLeft: -1, expected: .accessTokenExpired),
        Case(name: "of cur − 1", generation: 4, expected: nil),
        Case(
            name: "of cur − 1, at its end", generation: 4, millisecondsLeft: 0, expected: .accessTokenExpired),
        Case(name: "of cur − 2", generation: 3, expected: .accessTokenSuperseded),
        Case(
            name: "of cur − 2, tag unknown", generation: 3, isTokenProven: false,
            expected: .accessTokenSuperseded),
        Case(name: "of the first pair", generation: 1, current: 1, expected: nil),
        Case(
            name: "of the first pair, long ago", generation: 1, current: .max,
            expected: .accessTokenSuperseded),
        Case(name: "of generation 0", generation: 0, current: 0, expected: .wrongKind),
        Case(
            name: "of generation 0, after the exchange", generation: 0, current: 1, expected: .wrongKind),
        Case(name: "from the future", generation: 6, expected: .accessTokenAhead),
        Case(
            name: "from the future, tag unknown", generation: 6, isTokenProven: false,
            expected: .accessTokenAhead),
        Case(name: "from the far future", generation: .max, current: 0, expected: .accessTokenAhead),
        Case(name: "another family's", isFamilyProven: false, expected: .wrongFamily),
        Case(name: "another family's, old", generation: 1, isFamilyProven: false, expected: .wrongFamily),
        Case(name: "another family's, future", generation: 9, isFamilyProven: false, expected: .wrongFamily),
        Case(name: "not the token of cur", isTokenProven: false, expected: .wrongToken),
        Case(name: "not the token of cur − 1", generation: 4, isTokenProven: false, expected: .wrongToken),
        Case(name: "of a revoked grant", status: .revoked, expected: .grantRevoked),
        Case(name: "of a revoked grant, cur − 1", generation: 4, status: .revoked, expected: .grantRevoked),
        Case(name: "of a disabled owner", owner: .disabled, expected: .ownerDisabled),
        Case(
            name: "issued before the owner's grants were revoked", owner: .revokedSinceIssue,
            expected: .ownerRevoked),
        Case(name: "of an erased owner", owner: .erased, expected: .ownerErased),
        Case(name: "revoked and forged", isTokenProven: false, status: .revoked, expected: .wrongToken),
        Case(
            name: "revoked, disabled and expired", status: .revoked, owner: .disabled, millisecondsLeft: 0,
            expected: .grantRevoked),
    ]

    @Test(arguments: cases)
    func `an access token is judged by generation, proof, standing and its own end`(_ given: Case) {
        let now = VaultInstant(millisecondsSince1970: 1_790_000_000_000)
        let reason = AccessTokenRules.judge(
            generation: given.generation, current: given.current, isFamilyProven: given.isFamilyProven,
            isTokenProven: given.isTokenProven, status: given.status, owner: given.owner,
            expiresAt: now.advanced(by: .milliseconds(given.millisecondsLeft)), now: now)
        #expect(reason == given.expected, "\(given.name)")
    }
}
