import Foundation
import TokenKeeper
import TokenVault

/// What the process tells its caller: the one place where errors become exit codes. Thrown by a command that
/// has already said what is to be said.
enum ExitStatus: Int32, Error {
    case done = 0
    case internalError, usage, notFound, denied, locked, busy, integrity, storage, unavailable
    case confirmationRequired, partial, outcomeUnknown
    /// 128 + SIGINT, as shells report it.
    case interrupted = 130
}

extension ExitStatus {
    init(_ code: VaultError.Code) {
        self =
            switch code {
            case .invalidInput: .usage
            // A file that is no vault: what was named is not there.
            case .notFound, .notAVault: .notFound
            case .alreadyExists, .denied, .permissionDenied: .denied
            case .locked: .locked
            case .busy: .busy
            case .integrity, .schemaChanged: .integrity
            case .ioFailure, .outOfSpace, .readOnly: .storage
            // A newer tokenvault can open it; this one cannot.
            case .unavailable, .schemaNewer: .unavailable
            case .confirmationRequired: .confirmationRequired
            case .outcomeUnknown: .outcomeUnknown
            default: .internalError
            }
    }

    /// How a consent ended: 4 if it was refused, 9 without an answer, 11 if the answer is kept unread.
    init(_ code: KeeperError.Code) {
        self =
            switch code {
            case .unknownCallback, .wrongIssuer, .wrongIDToken, .otherAccount, .accessDenied, .refused,
                .clientRefused:
                .denied
            case .unavailable: .unavailable
            case .unreadableReply: .partial
            case .notSupported: .usage
            default: .internalError
            }
    }
}

/// Says on standard error what went wrong and what would help.
///
/// ```
/// tokenvault: There is no vault at ./vault. [not_found]
///   → Check --vault, or make one with 'tokenvault init'.
/// ```
///
/// The code is what `help error CODE` explains.
struct FailureReport {
    /// One JSON object instead of sentences.
    let isJSON: Bool

    func show(_ error: VaultError) {
        show(error.code.rawValue, error.message, Acts.spelledOut(error.remedy))
    }

    /// An operator sees what the user of a service would not: the scrubbed words of the provider.
    func show(_ error: KeeperError) {
        let explanation = ErrorExplanation.all.first { $0.code == error.code.rawValue }
        let words = error.diagnostic.isEmpty ? "" : " (\(error.diagnostic))"
        show(error.code.rawValue, error.message + words, explanation?.remedy ?? "")
    }

    /// A command line that could not be understood.
    ///
    /// - Parameter help: the parser's own text. Kept of it is what a value must be, or else the usage.
    func showUsage(_ message: String, help: String) {
        let lines = help.split(separator: "\n")
        let value = message.contains("' is invalid for '") ? lines.first { $0.hasPrefix("Help:  ") } : nil
        let usage =
            value.map { String($0.dropFirst(7)) }
            ?? lines.first { $0.hasPrefix("Usage:") }.map(CommandWords.short) ?? "See 'tokenvault --help'."
        // The parser lists values line by line.
        let sentence = message.replacing(/(^Error: )|(\n+Usage:(?s:.)*$)/, with: "")
            .replacing(" the following:\n  - ", with: " ").replacing("\n  - ", with: ", ")
            .replacing(/\s*\n\s*/, with: " ")
        show(VaultError.Code.invalidInput.rawValue, sentence, usage)
    }

    func show(_ code: String, _ message: String, _ remedy: String) {
        // A path or an argument may be in the message, and that may hold anything.
        let (message, remedy) = (Console.harmless(message), Console.harmless(remedy))
        guard !isJSON else {
            let failure = Shown([.json("error", code), .json("message", message), .json("remedy", remedy)])
            if let line = try? JSONText.encode(failure) { Console.note(line) }
            return
        }
        Console.note("tokenvault: \(message) [\(code)]")
        if !remedy.isEmpty { Console.note("  → \(remedy)") }
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
                    "\(again) If it persists, its user must consent again: run 'tokenvault connection connect'."
            )
        case .providerStopped:
            self.init(
                .unavailable, "The provider is stopped: it refuses our client, or the vault was restored.",
                remedy:
                    "Try again in \(seconds) s. 'tokenvault provider show NAME' says which connections it refused; put "
                    + "our credentials right with 'tokenvault provider add NAME --replace', or run "
                    + "'tokenvault provider resume NAME'.")
        case .vault:
            self.init(.busy, "The vault accepts no new work now.", remedy: again)
        case .unreadableReply:
            self.init(
                .unavailable, "The provider's last answer could not be read; it is kept.",
                remedy: "Run 'tokenvault connection replay-reply' with a corrected entry or a newer version.")
        }
    }
}
