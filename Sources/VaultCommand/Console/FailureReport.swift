import Foundation
import VaultCore

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

    private struct Failure: Encodable {
        let error: String
        let message: String
        let remedy: String
    }

    func show(_ error: VaultError) {
        show(error.code.rawValue, error.message, error.remedy)
    }

    /// A command line that could not be understood; `help` is the parser's own text, of which the usage line is kept.
    func showUsage(_ message: String, help: String) {
        let usage = help.split(separator: "\n").first { $0.hasPrefix("Usage:") }.map(String.init)
        let sentence = message.replacing(/(^Error: )|(\n+Usage:(?s:.)*$)/, with: "")
        show(VaultError.Code.invalidInput.rawValue, sentence, usage ?? "See 'tokenvault --help'.")
    }

    func show(_ code: String, _ message: String, _ remedy: String) {
        // A path or an argument may be in the message, and that may hold anything.
        let failure = Failure(
            error: code, message: Console.harmless(message), remedy: Console.harmless(remedy))
        guard !isJSON else {
            if let line = try? JSONText.encode(failure) { Console.note(line) }
            return
        }
        Console.note("tokenvault: \(failure.message) [\(code)]")
        if !failure.remedy.isEmpty { Console.note("  → \(failure.remedy)") }
    }
}
