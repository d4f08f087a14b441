import Foundation

/// A session as a person would type it, with what must come back.
///
/// ```
/// # a comment
/// $ tokenvault user add alice     a line of shell
/// user:   alice                   a line of standard output
/// ! note                          a line of standard error
/// ? 4                             the exit status, where it is not 0
/// ```
/// The code of an error, in brackets at the end of a line of standard error, may be left out.
/// `<name>` stands for something that is not known beforehand. It must be the same wherever the name comes again,
/// and later commands have it as `$name`. `<*>` stands for anything.
struct Transcript {
    struct Step {
        let line: Int
        let command: String
        var output: [String] = []
        var complaints: [String] = []
        var status: Int32 = 0
    }

    let steps: [Step]

    init(parsing text: String) throws {
        var steps: [Step] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("$ ") {
                steps.append(Step(line: index + 1, command: String(line.dropFirst(2))))
            } else if line.isEmpty || line.hasPrefix("#") {
                continue
            } else {
                guard var step = steps.popLast() else {
                    throw Missing.value("a command before line \(index + 1)")
                }
                if line.hasPrefix("! ") {
                    step.complaints.append(String(line.dropFirst(2)))
                } else if line.hasPrefix("? ") {
                    guard let status = Int32(line.dropFirst(2)) else {
                        throw Missing.value("a status in \(line)")
                    }
                    step.status = status
                } else {
                    step.output.append(String(line))
                }
                steps.append(step)
            }
        }
        self.steps = steps
    }

    /// Plays the session; says for each step that came out otherwise what was expected and what came.
    func play(in place: Workplace) async throws -> [String] {
        var known: [String: String] = [:]
        var differences: [String] = []
        for step in steps {
            let ending = try await place.shell(step.command, environment: known)
            if ending.status != step.status {
                differences.append("line \(step.line): ended with \(ending.status), expected \(step.status)")
            }
            let complaints = ending.complaintLines.enumerated().map { index, line in
                let isCodeWritten = index < step.complaints.count && step.complaints[index].hasSuffix("]")
                return isCodeWritten ? line : line.replacing(/\ \[[a-z_]+\]$/, with: "")
            }
            let pairs = [(step.output, ending.outputLines), (step.complaints, complaints)]
            for (expected, found) in pairs where !Self.match(expected, found, &known) {
                differences.append(
                    "line \(step.line): expected\n\(expected.joined(separator: "\n"))\nbut there came\n"
                        + found.joined(separator: "\n"))
            }
        }
        return differences
    }

    private static func match(_ expected: [String], _ found: [String], _ known: inout [String: String])
        -> Bool
    {
        guard expected.count == found.count else { return false }
        for (pattern, line) in zip(expected, found) where !match(pattern, line, &known) { return false }
        return true
    }

    private static func match(_ pattern: String, _ line: String, _ known: inout [String: String]) -> Bool {
        var names: [String] = []
        var expression = ""
        var rest = pattern[...]
        while let hit = rest.firstMatch(of: /<([a-z_]+|\*)>/) {
            expression += NSRegularExpression.escapedPattern(for: String(rest[..<hit.range.lowerBound]))
            let name = String(hit.output.1)
            if let value = known[name] {
                expression += NSRegularExpression.escapedPattern(for: value)
            } else if name == "*" {
                expression += ".+?"
            } else {
                names.append(name)
                expression += "(.+?)"
            }
            rest = rest[hit.range.upperBound...]
        }
        expression += NSRegularExpression.escapedPattern(for: String(rest))
        guard let regex = try? NSRegularExpression(pattern: "^\(expression)$"),
            let match = regex.firstMatch(in: line, range: NSRange(line.startIndex..., in: line))
        else { return false }
        for (index, name) in names.enumerated() {
            guard let range = Range(match.range(at: index + 1), in: line) else { return false }
            known[name] = String(line[range])
        }
        return true
    }
}
