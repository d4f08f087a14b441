/// What holds in one combination of the decision table: one fact of every dimension.
struct Facts: OptionSet, Sendable {
    let rawValue: UInt64

    static let code = fact(0)
    static let refreshToken = fact(1)

    // The presented generation, seen from the grant's.
    static let older = fact(2)
    static let predecessor = fact(3)
    static let current = fact(4)
    static let ahead = fact(5)

    // The presented generation by itself: 0, or 1 and on.
    static let codeGeneration = fact(6)
    static let pairGeneration = fact(7)

    // The grant's generation by itself: 0, or 1 and on.
    static let unredeemed = fact(8)
    static let redeemed = fact(9)

    static let ownFamily = fact(10)
    static let otherFamily = fact(11)
    static let ownToken = fact(12)
    static let otherToken = fact(13)
    static let ownClient = fact(14)
    static let otherClient = fact(15)

    static let live = fact(16)
    static let revoked = fact(17)
    static let ownerGood = fact(18)
    static let ownerDisabled = fact(19)
    static let ownerRevoked = fact(20)
    static let ownerErased = fact(21)

    static let absoluteLeft = fact(22)
    static let absoluteOver = fact(23)
    static let idleLeft = fact(24)
    static let idleOver = fact(25)
    static let codeLeft = fact(26)
    static let codeOver = fact(27)
    /// Issued less than ten minutes ago.
    static let codeYoung = fact(28)
    static let codeOld = fact(29)

    /// Inside both windows.
    static let raceWindow = fact(30)
    /// Inside the retry window alone.
    static let retryWindow = fact(31)
    static let noWindow = fact(32)
    static let unused = fact(33)
    static let used = fact(34)

    static let scopeOmitted = fact(35)
    static let scopeOfCurrent = fact(36)
    /// Within the grant, but not that of the current access token.
    static let scopeOther = fact(37)
    static let scopeBeyond = fact(38)

    // The client's policy. Where a combination has no fact about what follows, the policy is strict.
    static let strict = fact(39)
    static let untilFirstUse = fact(40)
    static let staleTolerant = fact(41)
    /// The presented generation is `cur − 2`.
    static let secondBefore = fact(42)
    static let notSecondBefore = fact(43)
    /// As many generations behind as the policy takes, or fewer; one more; or yet more.
    static let nearGeneration = fact(44)
    static let nextGeneration = fact(56)
    static let farGeneration = fact(45)
    /// Less than the cap since the last swap, or since the issue of the presented token.
    static let swapInCap = fact(46)
    static let swapBeyondCap = fact(47)
    static let issueInCap = fact(48)
    /// It was at the last swap.
    static let issueWasInCap = fact(57)
    static let issueBeyondCap = fact(49)
    /// The lifetime that the presented token was issued with.
    static let ownLifeLeft = fact(50)
    static let ownLifeOver = fact(51)
    static let accessLeft = fact(52)
    static let accessOver = fact(53)
    static let movedByCurrent = fact(54)
    static let movedByStale = fact(55)

    /// Of each of these sets exactly one fact holds in any combination.
    static let dimensions: [Facts] = [
        [.code, .refreshToken], [.older, .predecessor, .current, .ahead], [.codeGeneration, .pairGeneration],
        [.unredeemed, .redeemed], [.ownFamily, .otherFamily], [.ownToken, .otherToken],
        [.ownClient, .otherClient], [.live, .revoked],
        [.ownerGood, .ownerDisabled, .ownerRevoked, .ownerErased], [.absoluteLeft, .absoluteOver],
        [.idleLeft, .idleOver], [.codeLeft, .codeOver], [.codeYoung, .codeOld],
        [.raceWindow, .retryWindow, .noWindow], [.unused, .used],
        [.scopeOmitted, .scopeOfCurrent, .scopeOther, .scopeBeyond],
    ]

    /// The same for combinations about policies, beside those.
    static let dimensionsOfPolicies: [Facts] = [
        [.strict, .untilFirstUse, .staleTolerant], [.secondBefore, .notSecondBefore],
        [.nearGeneration, .nextGeneration, .farGeneration], [.swapInCap, .swapBeyondCap],
        [.issueInCap, .issueWasInCap, .issueBeyondCap],
        [.ownLifeLeft, .ownLifeOver], [.accessLeft, .accessOver], [.movedByCurrent, .movedByStale],
    ]

    private static func fact(_ number: UInt64) -> Facts { Facts(rawValue: 1 << number) }
}
