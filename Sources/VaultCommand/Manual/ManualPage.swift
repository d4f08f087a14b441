/// The manual page of a command, in the macros of man(7): what groff and mandoc both take without a warning.
extension CommandDefinition {
    /// Date of this version; a page that changes at every build could not be compared.
    private static let date = "2026-11-24"

    /// `tokenvault-client-add.1`.
    var manualFile: String { words.joined(separator: "-") + ".1" }

    var manual: [String] {
        let name = words.joined(separator: "-")
        // A date with its hyphens escaped is none to mandoc.
        let version = escaped("tokenvault \(TokenVaultCommand.version)")
        let abstract = abstract ?? ""
        let (description, examples) = parts
        var page = [
            ".TH \(escaped(name.uppercased())) 1 \(Self.date) \"\(version)\" TokenVault",
            heading("NAME"),
            // As this section wants it: no full stop at the end.
            escaped(name) + " \\- "
                + escaped(abstract.hasSuffix(".") ? String(abstract.dropLast()) : abstract),
        ]
        page += synopsis
        page += [heading("DESCRIPTION"), line(abstract)]
        page += description.split(separator: "").flatMap { [".PP"] + paragraph(Array($0)) }
        if !visibleSubcommands.isEmpty {
            page.append(heading("COMMANDS"))
            page += visibleSubcommands.flatMap {
                [".TP", bold($0.words.joined(separator: " ")), line($0.abstract ?? "")]
            }
        }
        page += options
        if words.count == 1 {
            page.append(heading("ENVIRONMENT"))
            for (name, meaning) in [
                ("TOKENVAULT_PATH", "The vault file, where --vault does not name it."),
                ("TOKENVAULT_KEY_FILE", "The key file, where no option names a key."),
                ("NO_COLOR", "Anything: no bold text and no progress on a terminal."),
            ] { page += [".TP", bold(name), line(meaning)] }
        }
        if !examples.isEmpty { page += [heading("EXAMPLES")] + example(examples) }
        page += [
            heading("EXIT STATUS"), line("0 when done; 'tokenvault help exit-codes' lists the others."),
        ]
        let above = words.count > 1 ? [Array(words.dropLast())] : []
        let others = (above + visibleSubcommands.map(\.words)).map {
            bold($0.joined(separator: "-")) + "(1)"
        }
        return page + (others.isEmpty ? [] : [heading("SEE ALSO"), others.joined(separator: ", ")])
    }

    private var synopsis: [String] {
        let shown = (arguments ?? []).filter { $0.shouldDisplay && $0.preferredName?.name != "help" }
        let ordered = shown.filter { $0.kind != .positional } + shown.filter { $0.kind == .positional }
        let command = visibleSubcommands.isEmpty ? [] : [italic("command")]
        let usages = ordered.map { $0.isOptional ? "[\($0.usage)]" : $0.usage }
        return [
            heading("SYNOPSIS"),
            ([bold(words.joined(separator: " "))] + command + usages).joined(separator: " "),
        ]
    }

    private var options: [String] {
        let shown = (arguments ?? []).filter(\.shouldDisplay)
        var titles: [String?] = []
        for title in shown.map(\.sectionTitle) where !titles.contains(title) { titles.append(title) }
        // Those under no title of their own come first.
        return (titles.filter { $0 == nil } + titles.filter { $0 != nil }).flatMap { title in
            [heading(title?.uppercased() ?? "OPTIONS")]
                + shown.filter { $0.sectionTitle == title }.flatMap { [".TP", $0.tag, line($0.explanation)] }
        }
    }

    /// What is said, and the examples at its end.
    private var parts: (description: [String], examples: [String]) {
        let lines = (discussion ?? "").split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        guard let start = lines.firstIndex(where: { ["Example:", "Examples:", "Start with:"].contains($0) })
        else { return (lines, []) }
        let examples = lines[(start + 1)...].map { $0.hasPrefix("  ") ? String($0.dropFirst(2)) : $0 }
        return (Array(lines[..<start]), examples.filter { !$0.isEmpty })
    }

    /// Running text; lines that are indented stay as they are.
    private func paragraph(_ lines: [String]) -> [String] {
        var rest = lines[...]
        var page: [String] = []
        while let first = rest.first {
            let isExample = first.hasPrefix(" ")
            let run = Array(rest.prefix { $0.hasPrefix(" ") == isExample })
            page += isExample ? example(run) : run.map(line)
            rest = rest.dropFirst(run.count)
        }
        return page
    }
}

extension CommandDefinition.Parameter {
    fileprivate var usage: String {
        let value = italic(valueName ?? "value") + (isRepeating ? " ..." : "")
        return switch kind {
        case .positional: value
        case .option: bold(preferredName?.text ?? "") + " " + value
        case .flag: bold(preferredName?.text ?? "")
        }
    }

    /// Above its explanation: every name.
    fileprivate var tag: String {
        guard kind != .positional else { return italic(valueName ?? "value") }
        let all = (names ?? []).map { bold($0.text) }.joined(separator: ", ")
        return kind == .option ? all + " " + italic(valueName ?? "value") : all
    }

    fileprivate var explanation: String {
        var text = [abstract ?? "", discussion ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
        if let allValues, !allValues.isEmpty, kind != .flag {
            text += " One of: \(allValues.joined(separator: ", "))."
        }
        if let defaultValue, kind != .flag { text += " Default: \(defaultValue)." }
        return text.isEmpty ? (valueName ?? "") : text.replacing("\n", with: " ")
    }
}

private func heading(_ title: String) -> String { ".SH \"\(escaped(title))\"" }

private func bold(_ text: String) -> String { "\\fB\(escaped(text))\\fR" }

private func italic(_ text: String) -> String { "\\fI\(escaped(text))\\fR" }

/// A line of running text. What begins as a request is kept from being one.
private func line(_ text: String) -> String {
    let line = escaped(text)
    return line.hasPrefix(".") ? "\\&" + line : line
}

/// Lines as they are, in a fixed-width font, indented.
private func example(_ lines: [String]) -> [String] { [".RS 4", ".EX"] + lines.map(line) + [".EE", ".RE"] }

/// The text with characters spelled out that a formatter would take for its own, or turn into prettier ones that cannot
/// be typed.
private func escaped(_ text: String) -> String {
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
