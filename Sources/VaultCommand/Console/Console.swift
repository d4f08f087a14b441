import Foundation
import VaultCore

/// The two streams: data on standard output, everything else on standard error.
enum Console {
    /// Writes a line of data. A full disk or a closed pipe behind standard output is an error, not a silent
    /// loss.
    static func print(_ line: String) throws {
        guard write(line + "\n", to: STDOUT_FILENO) else {
            throw VaultError(
                .ioFailure, "Standard output cannot be written: \(String(cString: strerror(errno))).",
                remedy: "What was done stays done; repeat the command only to show it.")
        }
    }

    /// Writes a line for the person at the terminal. Nothing can be done when that fails.
    static func note(_ line: String) {
        _ = write(line + "\n", to: STDERR_FILENO)
    }

    /// Shows how far something is, on a terminal only.
    static func progress(_ text: String) {
        guard isStyled(STDERR_FILENO) else { return }
        _ = write("\r\u{1B}[K" + text, to: STDERR_FILENO)
    }

    static func strong(_ text: String) -> String {
        isStyled(STDOUT_FILENO) ? "\u{1B}[1m\(text)\u{1B}[0m" : text
    }

    /// Colour and progress bars: only on a terminal, and not where they are unwanted (https://no-color.org).
    private static func isStyled(_ descriptor: Int32) -> Bool {
        let environment = ProcessInfo.processInfo.environment
        return isatty(descriptor) == 1 && (environment["NO_COLOR"] ?? "").isEmpty
            && environment["TERM"] != "dumb"
    }

    /// The text with everything that could steer a terminal spelled out, and no longer than a screen.
    static func harmless(_ text: String, limit: Int = 2000) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(limit) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse:
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return text.unicodeScalars.count > limit ? result + "…" : result
    }

    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
