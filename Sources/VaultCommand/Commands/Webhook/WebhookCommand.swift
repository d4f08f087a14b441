import ArgumentParser
import TokenKeeper
import VaultCore

/// The webhooks, which get events by HTTP.
struct WebhookCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook", abstract: "Manage webhooks, which get events by HTTP.",
        discussion: """
            While the keeper runs, each webhook gets the events of connections and providers since it was added: \
            in order, at least once, signed as Standard Webhooks asks.
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

struct WebhookAddCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a webhook. Its secret is shown once.",
        discussion: "Example:\n  tokenvault webhook add https://app.example/hooks")

    @OptionGroup var webhook: WebhookArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept {
            let (added, secret) = try await $0.addWebhook(webhook.url)
            var shown = Shown(added, secret: secret)
            shown.notes = ["The secret is shown only now."]
            return shown
        }
    }
}

struct WebhookListCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the webhooks, in order of creation.",
        discussion: "Example:\n  tokenvault webhook list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let webhooks = try await location.withKeeper { try await $0.webhooks() }
        try output.show(
            webhooks.map { Shown($0) }, under: ["URL", "FAILURES", "RETRY", "CREATED"])
    }
}

struct WebhookTestCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Send a test message to a webhook.",
        discussion: "Example:\n  tokenvault webhook test https://app.example/hooks")

    @OptionGroup var webhook: WebhookArgument
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept(calling: network) {
            let answer = try await $0.testWebhook(webhook.url)
            guard case .accepted = answer else {
                throw VaultError(
                    .unavailable, "The webhook refused the message: \(answer).",
                    remedy: "It should answer 2xx within 15 seconds; redirects are not followed.")
            }
            return Shown(
                [.json("accepted", webhook.url)], lines: ["Accepted by \(Console.harmless(webhook.url))."])
        }
    }
}

struct WebhookRemoveCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a webhook.",
        discussion: "Example:\n  tokenvault webhook remove https://app.example/hooks")

    @OptionGroup var webhook: WebhookArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept {
            try await $0.removeWebhook(webhook.url)
            return Shown(removed: webhook.url)
        }
    }
}

extension Shown {
    /// `{"created_at":"…","failures":0,"url":"https://app.example/hooks"}`; `failures` in a row, `retry_at` while it does
    /// not take what it is told, `secret` once.
    fileprivate init(_ webhook: Webhook, secret: SecretBytes? = nil) {
        self.init(
            [
                .both("url", webhook.url), .both("created_at", webhook.createdAt),
                .json("failures", webhook.failures), .json("retry_at", webhook.retryAt),
                .both("secret", secret?.text),
            ],
            cells: [
                webhook.url, "\(webhook.failures)", webhook.retryAt.map { "\(Timestamp($0))" } ?? "-",
                "\(Timestamp(webhook.createdAt))",
            ])
    }
}
