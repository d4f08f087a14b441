import ArgumentParser
import VaultCore

/// Says which version this is.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Show the version.",
        discussion: "Example:\n  tokenvault version --json")

    @OptionGroup var output: OutputArguments

    func run() throws {
        try output.show(VersionRecord(version: TokenVaultCommand.version))
    }
}

/// The version as printed: `{"version":"0.1.0"}`.
private struct VersionRecord: Record {
    let version: String

    var lines: [String] { ["tokenvault \(version)"] }
}

/// Prints a completion script.
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print the completion script for a shell.",
        discussion: """
            Examples:
              tokenvault completion bash > /usr/share/bash-completion/completions/tokenvault
              tokenvault completion zsh > ~/.zfunc/_tokenvault
              tokenvault completion fish > ~/.config/fish/completions/tokenvault.fish
            """)

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish

        var completion: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @OptionGroup var output: OutputArguments

    func run() throws {
        let script = TokenVaultCommand.completionScript(for: shell.completion)
        try output.show(CompletionRecord(shell: shell.rawValue, script: script))
    }
}

/// A script as printed: `{"script":"…","shell":"bash"}`.
private struct CompletionRecord: Record {
    let shell: String
    let script: String

    var lines: [String] { [script] }
}
