import TokenKeeper
import TokenVault
import VaultCore

extension ExitStatus {
    /// What became of a consent: 4 where somebody said no, 9 where nobody answered, 11 where the answer is kept unread.
    init(_ code: KeeperError.Code) {
        self =
            switch code {
            case .unknownCallback, .wrongIssuer, .wrongIDToken, .accessDenied, .refused, .clientRefused:
                .denied
            case .unavailable: .unavailable
            case .unreadableReply: .partial
            case .notSupported: .usage
            default: .internalError
            }
    }
}

extension FailureReport {
    /// An operator sees what the user of a service would not: the scrubbed words of the provider.
    func show(_ error: KeeperError) {
        let explanation = ErrorExplanation.all.first { $0.code == error.code.rawValue }
        let words = error.diagnostic.isEmpty ? "" : " (\(error.diagnostic))"
        show(error.code.rawValue, error.message + words, explanation?.remedy ?? "")
    }
}

extension VaultError {
    /// Why there is no token, as a failure of the command that wanted one: 4 needs consent, 9 not now.
    init(_ need: ConsentNeed) {
        let why =
            switch need.reason {
            case .refused: "the provider refused it"
            case .lostResponse: "an answer was lost, and the provider does not give it twice"
            case .nothingToRefresh: "there is nothing to refresh it with"
            case .revoked: "it was revoked"
            case .unreadableReply: "the provider's answer could not be read"
            case .restored: "the vault was restored from a backup, and its tokens may have been spent since"
            }
        let remedy =
            switch need.reason {
            case .unreadableReply: "Run 'tokenvault connection replay-reply \(need.connection.rawValue)'."
            default:
                "Run 'tokenvault connection connect' for its user; see 'tokenvault connection show "
                    + "\(need.connection.rawValue)'."
            }
        self.init(.denied, "The connection needs its user's consent again: \(why).", remedy: remedy)
    }

    /// - Parameter refusal: what the provider refuses with, as an operator may see it.
    init(_ reason: UnavailableReason, retryAfter: Duration, refusal: ConnectionRefusal?) {
        let seconds = max(1, retryAfter.components.seconds)
        let again = "Nothing is lost. Try again in \(seconds) s."
        switch reason {
        case .provider:
            self.init(.unavailable, "The provider gives no token now.", remedy: again)
        case .refused:
            let words = refusal.map { $0.words.isEmpty ? $0.reason : $0.words } ?? "it does not say why"
            self.init(
                .unavailable, "The provider refuses to refresh this connection (\(words)).",
                remedy:
                    "\(again) Should it go on, its user has to consent again: 'tokenvault connection connect'."
            )
        case .providerStopped:
            self.init(
                .unavailable, "The provider is stopped: it refuses our client, or the vault was restored.",
                remedy:
                    "Try again in \(seconds) s. 'tokenvault provider show NAME' says which connections it refused; put "
                    + "our credentials right with 'tokenvault provider add NAME --replace', or run "
                    + "'tokenvault provider resume NAME'.")
        case .vault:
            self.init(.busy, "The vault takes no new work now.", remedy: again)
        case .unreadableReply:
            self.init(
                .unavailable, "The provider's last answer could not be read; it is kept.",
                remedy: "Run 'tokenvault connection replay-reply' with a corrected entry or a newer version.")
        }
    }
}
