/// A keeper that breaks one of its rules, built by the simulation around the real one: each must be found out.
enum Mutant: CaseIterable, Sendable {
    /// Takes a provider that answers a replay with revocation for one that merely refuses it.
    case replaysUnderRevokes
    /// Takes a request without an answer for one that never left.
    case takesSilenceForNotSent
    /// Hands a token out as soon as it came.
    case handsOutBeforeSettle
    /// Throws tokens away because the lease ran out meanwhile.
    case dropsLateTokens
    /// Throws a late reply away that it cannot read.
    case dropsLateReplies
    /// Lets a worker that lost its lease settle with the winner's fence.
    case losersSettle
    /// Writes no intent: after a crash nothing tells that the token went out.
    case forgetsIntents
}
