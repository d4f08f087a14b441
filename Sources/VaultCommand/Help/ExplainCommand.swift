import ArgumentParser
import VaultCore

/// Explains what is common to all commands; `help TOPIC` arrives here too.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Explain errors, exit codes and secrets; 'help TOPIC' does the same.",
        subcommands: [ExplainErrorCommand.self, ExplainExitCodesCommand.self, ExplainSecretsCommand.self])

    /// `help error CODE` as a person types it, spelled as the parser knows it; anything else as it is. The
    /// parser has a `help` of its own, which explains commands.
    static func spelledOut(_ arguments: [String]) -> [String] {
        let topics = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard arguments.count >= 2, arguments[0] == "help", topics.contains(arguments[1]) else {
            return arguments
        }
        return ["explain"] + arguments.dropFirst()
    }
}

struct ExplainErrorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "error",
        abstract: "Explain the code of an error: what it means, what changed, what to do.",
        discussion: """
            The code stands in brackets behind the message, and in \"error\" with --json.

            Examples:
              tokenvault explain error locked
              tokenvault explain error
              tokenvault help error outcome_unknown
            """)

    @Argument(
        help: "The code; all codes are listed without it.",
        completion: .list(ErrorExplanation.all.map(\.code)))
    var code: String?
    @OptionGroup var output: OutputArguments

    func run() throws {
        guard let code else { return try output.show(ErrorExplanation.all) }
        // As it stands in a message, brackets and all.
        let word = code.trimming { "[]'\"".contains($0) }.lowercased().replacing("-", with: "_")
        guard let explanation = ErrorExplanation.all.first(where: { $0.code == word }) else {
            throw VaultError(
                .notFound, "There is no error code '\(code)'.", remedy: "'tokenvault help error' lists them.")
        }
        try output.show(ExplanationRecord(explanation: explanation))
    }
}

/// One explanation for people; for scripts it is the same object as in the list.
private struct ExplanationRecord: Record {
    let explanation: ErrorExplanation

    func encode(to encoder: any Encoder) throws { try explanation.encode(to: encoder) }

    var lines: [String] {
        var pairs = [
            ("error", explanation.code),
            ("where", explanation.places.map(\.sentence).joined(separator: "; ")),
            ("meaning", explanation.meaning), ("changed", explanation.changed),
            ("what to do", explanation.remedy),
        ]
        if let exitCode = explanation.exitCode { pairs.append(("exit code", "\(exitCode)")) }
        return Table.pairs(pairs)
    }
}

extension String {
    fileprivate func trimming(_ isUnwanted: (Character) -> Bool) -> String {
        let end = reversed().drop(while: isUnwanted)
        return String(String(end.reversed()).drop(while: isUnwanted))
    }
}
