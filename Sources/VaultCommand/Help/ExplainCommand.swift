import ArgumentParser
import Foundation
import VaultCore

/// Explains what is common to all commands; `help TOPIC` arrives here too.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Explain errors, exit codes and secrets; 'help TOPIC' does the same.",
        subcommands: [ExplainErrorCommand.self, ExplainExitCodesCommand.self, ExplainSecretsCommand.self])

    /// `help error CODE` as a person types it, spelled as the parser knows it, and `client help add` as `help client add`;
    /// anything else as it is. The parser has a `help` of its own, which explains commands.
    static func spelledOut(_ arguments: [String]) -> [String] {
        let topics: [String?] = configuration.subcommands.map { $0.configuration.commandName }
        var arguments = arguments
        if arguments.dropFirst().first == "help" { arguments.swapAt(0, 1) }
        let isTopic = arguments.first == "help" && topics.contains(arguments.dropFirst().first)
        return isTopic ? ["explain"] + arguments.dropFirst() : arguments
    }
}

struct ExplainErrorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "error",
        abstract: "Explain the code of an error: what it means, what changed, what to do.",
        discussion: """
            The code is in brackets behind the message, and in \"error\" with --json.

            Examples:
              tokenvault explain error locked
              tokenvault explain error
              tokenvault help error outcome_unknown
            """)

    @Argument(
        help: "The code; without it, all codes are listed.",
        completion: .list(ErrorExplanation.all.map(\.code)))
    var code: String?
    @OptionGroup var output: OutputArguments

    func run() throws {
        guard let code else {
            return try output.show(ErrorExplanation.all.map(\.shown), under: ["CODE", "EXIT", "MEANING"])
        }
        // As it stands in a message, brackets and all.
        let word = code.trimmingCharacters(in: CharacterSet(charactersIn: "[]'\"")).lowercased()
            .replacing("-", with: "_")
        guard let explanation = ErrorExplanation.all.first(where: { $0.code == word }) else {
            throw VaultError(
                .notFound, "There is no error code '\(code)'.", remedy: "'tokenvault help error' lists them.")
        }
        try output.show(explanation.shown)
    }
}

/// The exit codes, and which errors end with each.
struct ExplainExitCodesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exit-codes", abstract: "List the exit codes and the errors behind each.",
        discussion: "Examples:\n  tokenvault explain exit-codes\n  tokenvault help exit-codes --json")

    @OptionGroup var output: OutputArguments

    func run() throws {
        let rows = Self.all.map { status, meaning in
            let errors = ErrorExplanation.all.filter { $0.exitCode == status.rawValue }.map(\.code)
            return Shown(
                [
                    .json("exit_code", status.rawValue), .json("meaning", meaning),
                    .json("errors", errors),
                ], cells: ["\(status.rawValue)", meaning, errors.joined(separator: " ")])
        }
        try output.show(rows, under: ["EXIT", "MEANING", "ERRORS"])
    }

    private static let all: [(ExitStatus, String)] = [
        (.done, "Done."),
        (.internalError, "A defect in tokenvault."),
        (.usage, "The command line or its input is invalid."),
        (.notFound, "The vault, file, client or entry does not exist."),
        (.denied, "Its state, or the operating system, does not allow it."),
        (.locked, "No given key opens the vault."),
        (.busy, "Another process is at work: try again."),
        (.integrity, "Stored bytes differ from what was written."),
        (.storage, "Input, output or disk space failed."),
        (.unavailable, "It is not possible now, or not with this version."),
        (.confirmationRequired, "It cannot be undone: give --confirm."),
        (.partial, "Partly done; from doctor: warnings."),
        (.outcomeUnknown, "It is not known whether it was done: check before retrying."),
        (.interrupted, "Ended by Ctrl-C (SIGINT); 129 and 143: ended by SIGHUP or SIGTERM."),
    ]
}

/// How secrets come in and go out.
struct ExplainSecretsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets",
        abstract: "Explain how keys, passphrases and tokens are given, and where they are shown.",
        discussion: "Examples:\n  tokenvault explain secrets\n  tokenvault help secrets")

    @OptionGroup var output: OutputArguments

    func run() throws {
        let lines = Self.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        try output.show(Shown([.json("text", Self.text)], lines: lines))
    }

    private static let text = """
        No secret is ever an argument or the value of an environment variable: other users of a machine can read both.

        One of these opens the vault:
          --key-file PATH          a file of mode 600 (TOKENVAULT_KEY_FILE names it, too)
          --passphrase-file PATH   the first line of such a file
          --passphrase-fd NUMBER   a descriptor the shell opened:  --passphrase-fd 3 3< <(pass show vault)
          --credential NAME        a systemd credential: LoadCredential= or LoadCredentialEncrypted= in the unit
        With none of them you are asked on the terminal, without an echo; 'doctor' never asks.

        User names are personal data: give '-' to read one from standard input. Codes, tokens and passwords are read
        from standard input, a file or a descriptor, too.

        A client's secret, a code or a token is shown once, when it is made. Only
          tokenvault connection reveal --reason TEXT
        shows a stored token, after an entry in the log. 'tokenvault connection exec' passes a token to a program
        without showing it.

        Errors, logs, metrics, 'status', 'doctor' and 'report' contain no secret and no user name.
        """
}
