import ArgumentParser
import ProviderHTTP
import TokenKeeper
import VaultCore

/// Who is told by HTTP of what happens to connections.
struct WebhookCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook",
        abstract: "Add, list and remove who is told of events by HTTP.",
        discussion: """
            While the keeper runs, each webhook is told everything that happens to connections and providers from when \
            it was added, in order and at least once, signed as Standard Webhooks has it.
            """,
        subcommands: [
            WebhookAddCommand.self, WebhookListCommand.self, WebhookTestCommand.self,
            WebhookRemoveCommand.self,
        ])
}

/// The webhook a command is about.
struct WebhookArgument: ParsableArguments {
    @Argument(help: "https, or http to this machine.")
    var url: String
}

extension VaultArguments {
    fileprivate func withKeeper<Result>(_ body: (TokenKeeper) async throws -> Result) async throws -> Result {
        try await withVault { vault in
            try await AsyncHTTPTransport.withTransport { transport in
                try await body(TokenKeeper(vault: vault, transport: transport))
            }
        }
    }
}

struct WebhookAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a webhook. Its secret is shown once.",
        discussion: "Example:\n  tokenvault webhook add https://app.example/hooks")

    @OptionGroup var webhook: WebhookArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let (added, secret) = try await location.withKeeper { try await $0.addWebhook(webhook.url) }
        try output.show(WebhookRecord(added, secret: secret))
        output.note("The secret is shown this once.")
    }
}

struct WebhookListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the webhooks, in order of creation.",
        discussion: "Example:\n  tokenvault webhook list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(try await location.withKeeper { try $0.webhooks().map { WebhookRecord($0) } })
    }
}

struct WebhookTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Send a webhook a message that says nothing but that it works.",
        discussion: "Example:\n  tokenvault webhook test https://app.example/hooks")

    @OptionGroup var webhook: WebhookArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let answer = try await location.withKeeper { try await $0.testWebhook(webhook.url) }
        guard case .accepted = answer else {
            throw VaultError(
                .unavailable, "The webhook did not take the message: \(answer).",
                remedy: "It should answer 2xx within 15 seconds; redirects are not followed.")
        }
        try output.show(AcceptedRecord(accepted: webhook.url))
    }
}

struct WebhookRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a webhook: it is told nothing more.",
        discussion: "Example:\n  tokenvault webhook remove https://app.example/hooks")

    @OptionGroup var webhook: WebhookArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withKeeper { try await $0.removeWebhook(webhook.url) }
        try output.show(RemovedRecord(removed: webhook.url))
    }
}

/// What was accepted: `{"accepted":"https://app.example/hooks"}`.
private struct AcceptedRecord: Record {
    let accepted: String

    var lines: [String] { ["Accepted by \(Console.harmless(accepted))."] }
}
