import TokenIssuer
import TokenKeeper
import VaultCore

/// What a code of an error stands for: shown by `help error CODE`, and the text of docs/errors.md.
struct ErrorExplanation: ListRecord {
    /// Where the code is met.
    enum Place: String, Encodable, Sendable, CaseIterable {
        /// A command of `tokenvault`, or a `VaultError` of the library.
        case vault
        /// An answer of `serve`, in the `error` of RFC 6749 and RFC 6750.
        case http
        /// A consent at a provider, or a `KeeperError` of the library.
        case keeper

        /// As people are told.
        var sentence: String {
            switch self {
            case .vault: "a command, or VaultError in the library"
            case .http: "an HTTP answer of the server"
            case .keeper: "consents at providers, or KeeperError in the library"
            }
        }
    }

    let code: String
    let places: [Place]
    let meaning: String
    /// What is different because of the failed attempt.
    let changed: String
    let remedy: String
    /// How a command ends with it; absent for what only clients of the server see.
    let exitCode: Int32?

    init(_ code: VaultError.Code, _ meaning: String, changed: String, remedy: String) {
        self.init(code.rawValue, [.vault], meaning, changed, remedy, ExitStatus(code).rawValue)
    }

    init(_ code: OAuthError.Code, _ meaning: String, changed: String, remedy: String) {
        self.init(code.rawValue, [.http], meaning, changed, remedy, nil)
    }

    init(_ code: KeeperError.Code, _ meaning: String, changed: String, remedy: String) {
        self.init(code.rawValue, [.keeper], meaning, changed, remedy, ExitStatus(code).rawValue)
    }

    /// A code that is met in several places, where it means one thing.
    func alsoMet(in place: Place) -> ErrorExplanation {
        ErrorExplanation(code, places + [place], meaning, changed, remedy, exitCode)
    }

    private init(
        _ code: String, _ places: [Place], _ meaning: String, _ changed: String, _ remedy: String,
        _ exitCode: Int32?
    ) {
        self.code = code
        self.places = places
        self.meaning = meaning
        self.changed = changed
        self.remedy = remedy
        self.exitCode = exitCode
    }

    static let header = ["CODE", "EXIT", "MEANING"]
    var cells: [String] { [code, exitCode.map(String.init) ?? "-", meaning] }

    /// Every code there is, in the order of the alphabet.
    static let all = (vault + http + keeper).sorted { $0.code < $1.code }
}
