import VaultCore

/// What the process tells its caller: the one place where errors become exit codes. Thrown by a command that
/// has already said what is to be said.
struct ExitStatus: Error, Equatable {
    let rawValue: Int32

    static let done = ExitStatus(rawValue: 0)
    static let internalError = ExitStatus(rawValue: 1)
    static let usage = ExitStatus(rawValue: 2)
    static let notFound = ExitStatus(rawValue: 3)
    static let denied = ExitStatus(rawValue: 4)
    static let locked = ExitStatus(rawValue: 5)
    static let busy = ExitStatus(rawValue: 6)
    static let integrity = ExitStatus(rawValue: 7)
    static let storage = ExitStatus(rawValue: 8)
    static let unavailable = ExitStatus(rawValue: 9)
    static let confirmationRequired = ExitStatus(rawValue: 10)
    static let partial = ExitStatus(rawValue: 11)
    static let outcomeUnknown = ExitStatus(rawValue: 12)
    /// 128 + SIGINT, as shells report it.
    static let interrupted = ExitStatus(rawValue: 130)
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
}
