/// Text of a manual page, in the macros of man(7): what groff and mandoc both take without a warning.
struct Roff {
    private(set) var lines: [String] = []

    /// A line that begins with a macro; its arguments are quoted.
    mutating func macro(_ name: String, _ arguments: String...) {
        lines.append(([".\(name)"] + arguments.map { "\"" + Self.escape($0) + "\"" }).joined(separator: " "))
    }

    /// A line of running text. What begins as a request is kept from being one.
    mutating func text(_ text: String) {
        let line = Self.escape(text)
        lines.append(line.hasPrefix(".") ? "\\&" + line : line)
    }

    /// A line with escapes of its own.
    mutating func raw(_ line: String) { lines.append(line) }

    /// Lines as they are, in a fixed-width font, indented.
    mutating func example(_ examples: [String]) {
        lines += [".RS 4", ".EX"]
        for line in examples { text(line) }
        lines += [".EE", ".RE"]
    }

    static func bold(_ text: String) -> String { "\\fB\(escape(text))\\fR" }

    static func italic(_ text: String) -> String { "\\fI\(escape(text))\\fR" }

    /// Characters that a formatter would take for its own, or turn into prettier ones nobody can type.
    static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "\"": result += "\\(dq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case " "..."}": result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "\\[u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
            }
        }
        return result
    }
}
