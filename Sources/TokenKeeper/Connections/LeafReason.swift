import TokenVault

/// The reasons in leaves about connections from which a reader of the log can tell what became of the connection.
enum LeafReason {
    static let imported = "imported"
    /// Tokens of a consent that was not the one begun: they are revoked, and no connection of the user's changed.
    static let unwanted = "unwanted"
    /// The user chose another account of the provider than the one that is connected: nothing changed.
    static let otherAccount = "other-account"
    /// A refresh that worked although the connection needed consent.
    static let recovered = "recovered"
    /// Tokens came for a connection that was given up: they are revoked too.
    static let cameLate = "came-late"
    static let requested = "requested"
    /// It was given up before; nothing changed.
    static let requestedAgain = "requested-again"
    /// The provider was not asked: it has no revocation endpoint, or there is no token.
    static let endedHere = "ended-here"
    /// A late refresh was faster than the answer to a revocation; nothing changed.
    static let changedMeanwhile = "changed-meanwhile"
    static let stopped = "stopped"
    static let resumed = "resumed"

    private static let failingPrefix = "failing-"
    private static let againPrefix = "again-"

    // What stands in the row, and in the leaf, after a try that the provider did not answer.
    static let busy = "provider-busy"
    static let notSentPrefix = "not-sent-"
    static let noAnswerPrefix = "no-answer-"

    /// Whether the reason in a row is no answer or a busy provider, which is nothing the connection could help.
    static func isOutage(_ reason: String?) -> Bool {
        guard let reason else { return false }
        return reason == busy || reason.hasPrefix(notSentPrefix) || reason.hasPrefix(noAnswerPrefix)
    }

    static func ofTokens(from state: ConnectionState) -> String? {
        switch state {
        case .live: nil
        case .needsConsent, .failing: recovered
        case .revoking, .revoked: cameLate
        }
    }

    /// From this leaf on the connection is failing.
    static func failing(_ cause: String) -> String { failingPrefix + cause }

    /// One more refusal in a row of them: the leaf names the row, which counts them, and tells nothing new.
    static func again(_ cause: String) -> String { againPrefix + cause }

    /// The cause for which the connection came to need consent by this leaf; nil: it did not.
    static func causeOfLoss(_ reason: String?) -> String? { reason?.after(ConnectionState.lostPrefix) }

    /// The cause for which the connection is failing from this leaf on; nil: it is not.
    static func causeOfFailing(_ reason: String?) -> String? { reason?.after(failingPrefix) }

    static func isRepeat(_ reason: String?) -> Bool { reason?.hasPrefix(againPrefix) ?? false }
}

extension String {
    fileprivate func after(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
