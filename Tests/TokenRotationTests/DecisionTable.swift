import TokenRotation

/// The rules of rotation as a person would write them down: rows of conditions, the first that fits counts.
///
/// A row names the facts it asks for; what it does not mention may be anything.
struct DecisionTable {
    struct Row: Sendable, CustomStringConvertible {
        let description: String
        let outcome: Outcome
        /// Every fact that may hold where this row fits.
        private let allowed: Facts

        init(_ description: String, where asked: Facts, _ outcome: Outcome) {
            self.description = description
            self.outcome = outcome
            allowed = (Facts.dimensions + Facts.dimensionsOfPolicies).reduce(into: asked) {
                allowed, dimension in
                if asked.isDisjoint(with: dimension) { allowed.formUnion(dimension) }
            }
        }

        func fits(_ facts: Facts) -> Bool { facts.rawValue & ~allowed.rawValue == 0 }
    }

    enum Outcome: Sendable {
        case swapToWholeScope
        case swapToRequestedScope
        case exactly(RotationDecision)
    }

    static let rows =
        beforeAge + used + [
            Row("any other used token", where: [.older, .predecessor], revoke(.refreshTokenReused))
        ]

    private static let beforeAge: [Row] = [
        Row("a code knows no generation but 0", where: [.code, .pairGeneration], refuse(.wrongKind)),
        Row(
            "generation 0 has no refresh token", where: [.refreshToken, .codeGeneration], refuse(.wrongKind)),
        Row("the family is another's", where: [.otherFamily], refuse(.wrongFamily)),
        Row("not the token of cur", where: [.otherToken, .current], refuse(.wrongToken)),
        Row("not the token of cur − 1", where: [.otherToken, .predecessor], refuse(.wrongToken)),
        Row("another client's", where: [.otherClient], refuse(.wrongClient)),

        Row("revoked", where: [.revoked], refuse(.grantRevoked)),
        Row("the owner is disabled", where: [.ownerDisabled], refuse(.ownerDisabled)),
        Row("the owner's grants were revoked", where: [.ownerRevoked], refuse(.ownerRevoked)),
        Row("the owner is erased", where: [.ownerErased], refuse(.ownerErased)),
        Row("absolute lifetime over", where: [.absoluteOver], refuse(.absoluteExpired)),
        Row("idle lifetime over", where: [.redeemed, .idleOver], refuse(.idleExpired)),

        Row("a late code", where: [.code, .unredeemed, .codeOver], refuse(.codeExpired)),
        Row("a code in time", where: [.code, .unredeemed, .codeLeft], .swapToWholeScope),
        Row("a code again, soon", where: [.code, .redeemed, .codeYoung], revoke(.codeReused)),
        Row("a code again, late", where: [.code, .redeemed, .codeOld], refuse(.codeReused)),

        Row("cur, asking for no scope", where: [.current, .scopeOmitted], .swapToWholeScope),
        Row("cur, asking for too much", where: [.current, .scopeBeyond], refuse(.scopeExceeded)),
        Row(
            "cur, asking for what was granted or less",
            where: [.current, .scopeOfCurrent, .scopeOther], .swapToRequestedScope),
        Row("from the future", where: [.ahead], .exactly(.databaseIsBehind)),
    ]

    /// Used tokens that are taken, and what each of them gets.
    private static let used =
        taken("a race", .replay, [.predecessor, .raceWindow])
        + taken("a lost response", .replay, [.predecessor, .retryWindow, .unused])
        + taken(
            "successor not used", .staleReplay, [.untilFirstUse, .predecessor, .swapInCap, .ownLifeLeft])
        + taken(
            "it may have moved the grant itself", .staleReplay,
            [.untilFirstUse, .staleTolerant, .secondBefore, .movedByStale, .accessLeft])
        + taken(
            "the one before is tolerated", .staleReplay,
            [.staleTolerant, .predecessor, .swapInCap, .ownLifeLeft])
        + taken(
            "an older one is tolerated", .staleReplay,
            [.staleTolerant, .older, .nearGeneration, .issueInCap, .ownLifeLeft])
        + taken(
            "an older one was tolerated when one of them moved the grant", .staleReplay,
            [
                .staleTolerant, .older, .nearGeneration, .nextGeneration, .issueInCap, .issueWasInCap,
                .movedByStale, .accessLeft, .ownLifeLeft,
            ])

    private static func taken(_ name: String, _ answer: RotationDecision, _ asked: Facts) -> [Row] {
        let policies: Facts = [.untilFirstUse, .staleTolerant]
        let moving = asked.isDisjoint(with: policies) ? asked.union(policies) : asked
        let swaps =
            asked.contains(.accessLeft)
            ? []
            : [
                Row(
                    "\(name), for a new pair", where: moving.union([.accessOver, .scopeOmitted]),
                    .swapToWholeScope),
                Row(
                    "\(name), for a new pair of too much scope",
                    where: moving.union([.accessOver, .scopeBeyond]), refuse(.scopeExceeded)),
                Row(
                    "\(name), for a new pair of some scope",
                    where: moving.union([.accessOver, .scopeOfCurrent, .scopeOther]), .swapToRequestedScope),
            ]
        return swaps + [
            Row(
                "\(name), for another scope", where: asked.union([.scopeOther, .scopeBeyond]),
                refuse(.scopeChangedOnRetry)),
            Row(name, where: asked, .exactly(answer)),
        ]
    }

    private static func refuse(_ reason: RefusalReason) -> Outcome { .exactly(.refuse(reason)) }
    private static func revoke(_ reason: RefusalReason) -> Outcome { .exactly(.revoke(reason)) }
}
