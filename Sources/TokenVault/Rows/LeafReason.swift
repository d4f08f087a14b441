import VaultCore

/// The reasons in leaves about connections from which a reader of the log can tell what became of the connection.
package enum LeafReason {
    package static let imported = "imported"
    /// Tokens of a consent that was not the one begun: they are revoked, and no connection of the user's changed.
    package static let unwanted = "unwanted"
    /// The user chose another account of the provider than the one that is connected: nothing changed.
    package static let otherAccount = "other-account"
    /// A refresh that worked although the connection needed consent.
    package static let recovered = "recovered"
    /// Tokens came for a connection that was given up: they are revoked too.
    package static let cameLate = "came-late"
    /// Its user was removed.
    package static let userRemoved = "user-removed"
    package static let requested = "requested"
    /// It was given up before; nothing changed.
    package static let requestedAgain = "requested-again"
    /// The provider was not asked: it has no revocation endpoint, or there is no token.
    package static let endedHere = "ended-here"
    /// A late refresh was faster than the answer to a revocation; nothing changed.
    package static let changedMeanwhile = "changed-meanwhile"
    package static let stopped = "stopped"
    package static let resumed = "resumed"

    /// Before the cause, where the leaf is the one by which a connection came to need consent.
    private static let lostPrefix = "needs-consent-"
    private static let failingPrefix = "failing-"
    private static let againPrefix = "again-"

    // What stands in the row, and in the leaf, after a try that the provider did not answer.
    package static let busy = "provider-busy"
    package static let notSentPrefix = "not-sent-"
    package static let noAnswerPrefix = "no-answer-"

    /// Whether the reason in a row is no answer or a busy provider, which is nothing the connection could help.
    package static func isOutage(_ reason: String?) -> Bool {
        guard let reason else { return false }
        return reason == busy || reason.hasPrefix(notSentPrefix) || reason.hasPrefix(noAnswerPrefix)
    }

    /// The cause as a leaf has it: told apart from a further failure of what needed consent already.
    package static func lost(_ cause: String, from state: ConnectionState) -> String {
        state.isRefreshed ? lostPrefix + cause : cause
    }

    package static func ofTokens(from state: ConnectionState) -> String? {
        switch state {
        case .live: nil
        case .needsConsent, .failing: recovered
        case .revoking, .revoked: cameLate
        }
    }

    /// From this leaf on the connection is failing.
    package static func failing(_ cause: String) -> String { failingPrefix + cause }

    /// One more refusal in a row of them: the leaf names the row, which counts them, and tells nothing new.
    package static func again(_ cause: String) -> String { againPrefix + cause }

    /// The cause for which the connection came to need consent by this leaf; nil: it did not.
    package static func causeOfLoss(_ reason: String?) -> String? { reason?.after(lostPrefix) }

    /// The cause for which the connection is failing from this leaf on; nil: it is not.
    package static func causeOfFailing(_ reason: String?) -> String? { reason?.after(failingPrefix) }

    package static func isRepeat(_ reason: String?) -> Bool { reason?.hasPrefix(againPrefix) ?? false }
}

extension String {
    fileprivate func after(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
