/// An error of a vault: a code to switch on, a sentence for people, and what to do next. Equality
/// looks at the code alone. No message carries a secret, a user name or a value from the database.
public struct VaultError: Error, Sendable {
    /// The code of the error; new ones may appear in any release.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: String

        public init(rawValue: String) {
            self.rawValue = rawValue
        }
    }

    public let code: Code
    /// One sentence that says what happened.
    public let message: String
    /// One sentence that says what to do; empty if nothing is known to help.
    public let remedy: String

    public init(_ code: Code, _ message: String, remedy: String = "") {
        self.code = code
        self.message = message
        self.remedy = remedy
    }
}

extension VaultError.Code {
    private static func code(_ name: String) -> Self { Self(rawValue: name) }

    /// An argument or a parameter is not acceptable; nothing was changed.
    public static let invalidInput = code("invalid_input")
    /// The vault, client, user, grant or entry does not exist.
    public static let notFound = code("not_found")
    /// The name or the file is taken.
    public static let alreadyExists = code("already_exists")
    /// The state does not allow this (disabled, revoked, in use).
    public static let denied = code("denied")
    /// The given key does not open this vault.
    public static let locked = code("locked")
    /// The file is not a vault.
    public static let notAVault = code("not_a_vault")
    /// The operating system does not allow reading or writing here.
    public static let permissionDenied = code("permission_denied")
    /// The file system is mounted read-only.
    public static let readOnly = code("read_only")
    /// The schema is newer than this program.
    public static let schemaNewer = code("schema_newer")
    /// The schema differs from the one in its ledger.
    public static let schemaChanged = code("schema_changed")
    /// Another process holds the vault, or the queue is full: try again.
    public static let busy = code("busy")
    /// The disk is full; the vault accepts new work again when there is space.
    public static let outOfSpace = code("out_of_space")
    /// The disk failed; nothing was changed.
    public static let ioFailure = code("io_failure")
    /// The disk failed while committing; the change may or may not be there.
    public static let outcomeUnknown = code("outcome_unknown")
    /// Stored bytes differ from what was written: they were edited, moved, or damaged.
    public static let integrity = code("integrity")
    /// The vault is shut down or gave up after repeated failures.
    public static let unavailable = code("unavailable")
    /// The operation cannot be undone and needs a confirmation.
    public static let confirmationRequired = code("confirmation_required")
    /// A defect in this program.
    public static let internalError = code("internal_error")
}

extension VaultError: Equatable {
    public static func == (left: VaultError, right: VaultError) -> Bool { left.code == right.code }
}

extension VaultError: CustomStringConvertible {
    public var description: String {
        remedy.isEmpty ? "\(code.rawValue): \(message)" : "\(code.rawValue): \(message) \(remedy)"
    }
}

extension VaultError {
    /// Whether a later attempt may succeed: HTTP 503 with `Retry-After`.
    public var isTransient: Bool {
        switch code {
        case .busy, .outOfSpace, .ioFailure, .outcomeUnknown, .unavailable, .readOnly: true
        default: false
        }
    }
}
