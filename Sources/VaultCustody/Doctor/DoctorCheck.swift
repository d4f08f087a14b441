import SQLiteStore
public import VaultCore

/// One thing that the doctor examined: its state, and what to do about it.
public struct DoctorCheck: Sendable {
    /// The severities, in rising order.
    public enum Severity: Int, Sendable, Comparable, CaseIterable {
        case ok, advice, warning, error

        /// The word that is printed: `ok`, `advice`, `warning`, `error`.
        public var word: String { String(describing: self) }

        public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    /// Stable, as `files.vault`: the group, a dot, and what in it.
    public let id: String
    public let severity: Severity
    /// The finding in one sentence, without secrets and user names.
    public let what: String
    /// What to do; empty if nothing.
    public let remedy: String
    /// For an error, the code that a command would end with.
    public let code: VaultError.Code?
}

extension DoctorCheck {
    package static func ok(_ id: String, _ what: String) -> Self {
        DoctorCheck(id: id, severity: .ok, what: what, remedy: "", code: nil)
    }

    package static func advice(_ id: String, _ what: String, _ remedy: String) -> Self {
        DoctorCheck(id: id, severity: .advice, what: what, remedy: remedy, code: nil)
    }

    static func warning(_ id: String, _ what: String, _ remedy: String) -> Self {
        DoctorCheck(id: id, severity: .warning, what: what, remedy: remedy, code: nil)
    }

    static func error(_ id: String, _ code: VaultError.Code, _ what: String, _ remedy: String) -> Self {
        DoctorCheck(id: id, severity: .error, what: what, remedy: remedy, code: code)
    }

    /// A check that could not be made is an error of its own.
    package static func failed(_ id: String, _ error: any Error) -> Self {
        let error = StorageFailure.translate(error)
        return .error(id, error.code, error.message, error.remedy)
    }
}

/// Spans of time and sizes as the doctor says them: the largest unit that fits, rounded down.
enum DoctorText {
    static func span(_ milliseconds: Int64) -> String {
        let seconds = abs(milliseconds / 1000)
        for (unit, name) in [(86_400 as Int64, "d"), (3600, "h"), (60, "min")] where seconds >= unit {
            return "\(seconds / unit) \(name)"
        }
        return "\(seconds) s"
    }

    static func size(_ bytes: Int64) -> String {
        for (unit, name) in [(1 << 30 as Int64, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        where bytes >= unit {
            return "\(bytes / unit) \(name)"
        }
        return "\(bytes) bytes"
    }

    /// `1 client`, `2 clients`.
    static func count(_ number: Int64, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
    }
}
