import VaultCore

/// The manual page of one command, written from its definition.
struct ManualPage {
    /// Of this version; a page that changes at every build could not be compared.
    private static let date = "2026-11-24"

    let definition: CommandDefinition

    /// `tokenvault-client-add`.
    var name: String { definition.words.joined(separator: "-") }

    /// `tokenvault-client-add.1`.
    var file: String { name + ".1" }

    /// The whole file.
    var source: String {
        var page = Roff()
        // A date with its hyphens escaped is none to mandoc.
        let version = Roff.escape("tokenvault \(TokenVaultCommand.version)")
        page.raw(".TH \(Roff.escape(name.uppercased())) 1 \(Self.date) \"\(version)\" TokenVault")
        page.macro("SH", "NAME")
        page.raw(Roff.escape(name) + " \\- " + Roff.escape(Self.sentence(definition.abstract ?? "")))
        synopsis(&page)
        let (description, examples) = split(definition.discussion ?? "")
        page.macro("SH", "DESCRIPTION")
        page.text(definition.abstract ?? "")
        paragraphs(description, &page)
        commands(&page)
        options(&page)
        if definition.words.count == 1 { environment(&page) }
        if !examples.isEmpty {
            page.macro("SH", "EXAMPLES")
            page.example(examples)
        }
        page.macro("SH", "EXIT STATUS")
        page.text("0 when done; 'tokenvault help exit-codes' lists the others.")
        seeAlso(&page)
        return page.lines.joined(separator: "\n") + "\n"
    }

    private func synopsis(_ page: inout Roff) {
        page.macro("SH", "SYNOPSIS")
        let shown = (definition.arguments ?? []).filter {
            $0.shouldDisplay && $0.preferredName?.name != "help"
        }
        let parts = shown.filter { $0.kind != .positional } + shown.filter { $0.kind == .positional }
        var words = [Roff.bold(definition.words.joined(separator: " "))]
        if !definition.visibleSubcommands.isEmpty { words.append(Roff.italic("command")) }
        words += parts.map { $0.isOptional ? "[\($0.usage)]" : $0.usage }
        page.raw(words.joined(separator: " "))
    }

    private func commands(_ page: inout Roff) {
        guard !definition.visibleSubcommands.isEmpty else { return }
        page.macro("SH", "COMMANDS")
        for command in definition.visibleSubcommands {
            page.macro("TP")
            page.raw(Roff.bold(command.words.joined(separator: " ")))
            page.text(command.abstract ?? "")
        }
    }

    private func options(_ page: inout Roff) {
        let shown = (definition.arguments ?? []).filter(\.shouldDisplay)
        var titles: [String?] = []
        for title in shown.map(\.sectionTitle) where !titles.contains(title) { titles.append(title) }
        // Those under no title of their own come first.
        for title in titles.filter({ $0 == nil }) + titles.filter({ $0 != nil }) {
            page.macro("SH", title?.uppercased() ?? "OPTIONS")
            for parameter in shown where parameter.sectionTitle == title {
                page.macro("TP")
                page.raw(parameter.tag)
                page.text(parameter.explanation)
            }
        }
    }

    private func environment(_ page: inout Roff) {
        page.macro("SH", "ENVIRONMENT")
        for (name, meaning) in [
            ("TOKENVAULT_PATH", "The vault file, where --vault does not name it."),
            ("TOKENVAULT_KEY_FILE", "The key file, where no option names a key."),
            ("NO_COLOR", "Anything: no bold text and no progress on a terminal."),
        ] {
            page.macro("TP")
            page.raw(Roff.bold(name))
            page.text(meaning)
        }
    }

    private func seeAlso(_ page: inout Roff) {
        let above = definition.words.count > 1 ? [Array(definition.words.dropLast())] : []
        let others = above + definition.visibleSubcommands.map(\.words)
        guard !others.isEmpty else { return }
        page.macro("SH", "SEE ALSO")
        page.raw(others.map { Roff.bold($0.joined(separator: "-")) + "(1)" }.joined(separator: ", "))
    }

    /// What is said, and the examples at its end.
    private func split(_ discussion: String) -> (description: [String], examples: [String]) {
        let lines = discussion.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let start = lines.firstIndex(where: { ["Example:", "Examples:", "Start with:"].contains($0) })
        else {
            return (lines, [])
        }
        let examples = lines[(start + 1)...].map { $0.hasPrefix("  ") ? String($0.dropFirst(2)) : $0 }
        return (Array(lines[..<start]), examples.filter { !$0.isEmpty })
    }

    /// Running text; indented lines stay as they are.
    private func paragraphs(_ lines: [String], _ page: inout Roff) {
        for paragraph in lines.split(separator: "") {
            page.macro("PP")
            for part in Self.runs(of: Array(paragraph)) {
                if part[0].hasPrefix(" ") { page.example(part) } else { for line in part { page.text(line) } }
            }
        }
    }

    /// Neighbouring lines that are all indented, or all not.
    private static func runs(of lines: [String]) -> [[String]] {
        var runs: [[String]] = []
        for line in lines {
            if let last = runs.last, last[0].hasPrefix(" ") == line.hasPrefix(" ") {
                runs[runs.count - 1].append(line)
            } else {
                runs.append([line])
            }
        }
        return runs
    }

    /// As the NAME section wants it: no full stop at the end.
    private static func sentence(_ text: String) -> String {
        text.hasSuffix(".") ? String(text.dropLast()) : text
    }
}

extension CommandDefinition.Parameter {
    /// In the synopsis.
    fileprivate var usage: String {
        let value = Roff.italic(valueName ?? "value") + (isRepeating ? " ..." : "")
        return switch kind {
        case .positional: value
        case .option: Roff.bold(preferredName?.text ?? "") + " " + value
        case .flag: Roff.bold(preferredName?.text ?? "")
        }
    }

    /// Above its explanation: every name.
    fileprivate var tag: String {
        guard kind != .positional else { return Roff.italic(valueName ?? "value") }
        let all = (names ?? []).map { Roff.bold($0.text) }.joined(separator: ", ")
        return kind == .option ? all + " " + Roff.italic(valueName ?? "value") : all
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
