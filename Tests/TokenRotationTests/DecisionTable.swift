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
            allowed = Facts.dimensions.reduce(into: asked) { allowed, dimension in
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

    static let rows: [Row] = [
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
        Row("long used", where: [.older], revoke(.refreshTokenReused)),
        Row("both windows shut", where: [.predecessor, .noWindow], revoke(.refreshTokenReused)),
        Row(
            "successor used, no race any more",
            where: [.predecessor, .retryWindow, .used], revoke(.refreshTokenReused)),
        Row("a retry for another scope", where: [.scopeOther, .scopeBeyond], refuse(.scopeChangedOnRetry)),
        Row("a race", where: [.predecessor, .raceWindow], .exactly(.replay)),
        Row("a lost response", where: [.predecessor, .retryWindow, .unused], .exactly(.replay)),
    ]

    private static func refuse(_ reason: RefusalReason) -> Outcome { .exactly(.refuse(reason)) }
    private static func revoke(_ reason: RefusalReason) -> Outcome { .exactly(.revoke(reason)) }
}
