import VaultCore

/// The reasons in leaves about connections from which a reader of the log can tell what became of the connection.
package enum LeafReason {
    package static let imported = "imported"
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

    /// The cause as a leaf has it: told apart from a further failure of what needed consent already.
    static func lost(_ cause: String, from state: ConnectionState) -> String {
        state == .live ? lostPrefix + cause : cause
    }

    static func ofTokens(from state: ConnectionState) -> String? {
        switch state {
        case .live: nil
        case .needsConsent: recovered
        case .revoking, .revoked: cameLate
        }
    }

    /// The cause for which the connection came to need consent by this leaf; nil: it did not.
    package static func causeOfLoss(_ reason: String?) -> String? {
        guard let reason, reason.hasPrefix(lostPrefix) else { return nil }
        return String(reason.dropFirst(lostPrefix.count))
    }
}
