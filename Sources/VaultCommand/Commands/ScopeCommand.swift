import ArgumentParser
import TokenIssuer
import TokenVault

/// Declares what scopes allow.
struct ScopeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scope", abstract: "Declare scopes and their texts.",
        discussion: """
            A client may request the scopes it is registered for ('client add --scope'), declared or not. The \
            metadata of the issuer list both.
            """,
        subcommands: [ScopeAddCommand.self, ScopeListCommand.self, ScopeRemoveCommand.self])
}

struct ScopeAddCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Declare a scope, or change its text.",
        discussion: """
            The text continues "It would be able to", as in "Read your notes".

            Example:
              tokenvault scope add notes.read --text "Read your notes"
            """)

    @Argument(help: ArgumentHelp("The name of the scope, as clients request it.", valueName: "name"))
    var name: String
    @Option(help: "What the scope allows, for the user to read.")
    var text: String
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await show { vault in
            try await vault.scopes.add(name, text: text)
            return Shown([.both("scope", name), .both("text", text)])
        }
    }
}

struct ScopeListCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the declared scopes, by name.",
        discussion: "Example:\n  tokenvault scope list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let scopes = try await location.withVault { try await $0.scopes.list() }
        try output.show(
            scopes.map {
                Shown([.json("scope", $0.name), .json("text", $0.text)], cells: [$0.name, $0.text])
            }, under: ["SCOPE", "TEXT"])
    }
}

struct ScopeRemoveCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a declared scope. Clients may still request it.",
        discussion: "Example:\n  tokenvault scope remove notes.read")

    @Argument(help: ArgumentHelp("The name of the scope.", valueName: "name"))
    var name: String
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await show {
            try await $0.scopes.remove(name)
            return Shown(removed: name)
        }
    }
}
