import ArgumentParser

/// The exit codes, and which errors end with each.
struct ExplainExitCodesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exit-codes", abstract: "List the exit codes and the errors behind each.",
        discussion: "Examples:\n  tokenvault explain exit-codes\n  tokenvault help exit-codes --json")

    @OptionGroup var output: OutputArguments

    func run() throws { try output.show(ExitCodeRecord.all) }
}

/// An exit code as printed: `{"errors":["locked"],"exit_code":5,"meaning":"…"}`.
private struct ExitCodeRecord: ListRecord {
    let exitCode: Int32
    let meaning: String
    let errors: [String]

    init(_ status: ExitStatus, _ meaning: String) {
        exitCode = status.rawValue
        self.meaning = meaning
        errors = ErrorExplanation.all.filter { $0.exitCode == status.rawValue }.map(\.code)
    }

    static let all = [
        ExitCodeRecord(.done, "Done."),
        ExitCodeRecord(.internalError, "A defect in tokenvault."),
        ExitCodeRecord(.usage, "The command line or its input is not acceptable."),
        ExitCodeRecord(.notFound, "What was named is not there."),
        ExitCodeRecord(.denied, "Not allowed: by the state of the thing, or by the operating system."),
        ExitCodeRecord(.locked, "No key opens the vault."),
        ExitCodeRecord(.busy, "Others are at it: try again."),
        ExitCodeRecord(.integrity, "Stored bytes are not what was written."),
        ExitCodeRecord(.storage, "Input, output or disk space failed."),
        ExitCodeRecord(.unavailable, "Not now, or not with this version."),
        ExitCodeRecord(.confirmationRequired, "What cannot be undone wants --confirm."),
        ExitCodeRecord(.partial, "Partly done; from doctor: warnings."),
        ExitCodeRecord(.outcomeUnknown, "Whether it was done is not known: look before repeating."),
        ExitCodeRecord(.interrupted, "Interrupted by Ctrl-C."),
    ]

    static let header = ["EXIT", "MEANING", "ERRORS"]
    var cells: [String] { ["\(exitCode)", meaning, errors.joined(separator: " ")] }
}

/// How secrets come in and go out.
struct ExplainSecretsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets",
        abstract: "How keys, passphrases and tokens are given, and where they are shown.",
        discussion: "Examples:\n  tokenvault explain secrets\n  tokenvault help secrets")

    @OptionGroup var output: OutputArguments

    func run() throws { try output.show(SecretsRecord()) }
}

private struct SecretsRecord: Record {
    let text = """
        No secret is ever an argument or the value of an environment variable: other users of a machine can read both.

        What opens the vault is one of
          --key-file PATH          a file of mode 600 (TOKENVAULT_KEY_FILE names it, too)
          --passphrase-file PATH   the first line of such a file
          --passphrase-fd NUMBER   a descriptor the shell opened:  --passphrase-fd 3 3< <(pass show vault)
          --credential NAME        a systemd credential: LoadCredential= or LoadCredentialEncrypted= in the unit
        With none of them you are asked on the terminal, without an echo; 'doctor' never asks.

        User names are personal, so where a command takes one it takes '-' and reads it from standard input.
        Codes, tokens and passwords that a command takes come from standard input or a descriptor, too.

        A client's secret, a code or a token is shown once, when it is made. A token that is kept is shown by
          tokenvault connection reveal --reason TEXT
        alone, and the log has the entry before the token is on the screen. 'tokenvault connection exec' hands a token
        to a program without showing it.

        Errors, logs, metrics, 'status', 'doctor' and 'report' contain no secret and no user name.
        """

    var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
}
