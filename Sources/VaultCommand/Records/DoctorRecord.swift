import TokenVault
import VaultCore

/// A check as printed: `{"check":"files.vault","severity":"ok","what":"…"}`, with `remedy` and `error` where there are.
struct DoctorRecord: ListRecord {
    let check: String
    let severity: String
    let what: String
    let remedy: String?
    let error: String?

    init(_ check: DoctorCheck) {
        self.check = check.id
        severity = check.severity.word
        what = check.what
        remedy = check.remedy.isEmpty ? nil : check.remedy
        error = check.code?.rawValue
    }

    static let header = ["SEVERITY", "CHECK", "WHAT"]
    var cells: [String] { [severity, check, what] }

    /// For people: one line, and one more for what to do.
    var lines: [String] {
        let isGrave = severity == "warning" || severity == "error"
        let word = severity.padded(to: 9)
        let first = (isGrave ? Console.strong(word) : word) + check.padded(to: 21) + Console.harmless(what)
        return [first] + (remedy.map { ["".padded(to: 30) + "→ " + Console.harmless($0)] } ?? [])
    }

    /// `2 warnings, 3 pieces of advice, 21 ok`.
    static func summary(of checks: [DoctorCheck]) -> String {
        func count(_ severity: DoctorCheck.Severity) -> Int { checks.count { $0.severity == severity } }
        let counts = [
            (count(.error), "error", "errors"), (count(.warning), "warning", "warnings"),
            (count(.advice), "piece of advice", "pieces of advice"), (count(.ok), "ok", "ok"),
        ]
        return counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.0 == 1 ? $0.1 : $0.2)" }.joined(separator: ", ")
    }
}

extension String {
    /// With spaces behind, at least one of them.
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
