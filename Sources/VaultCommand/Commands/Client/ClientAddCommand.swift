import ArgumentParser
import TokenVault
import VaultCore

/// Registers a client.
struct ClientAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Register a client. The secret of a confidential one is shown once.",
        discussion: """
            Examples:
              tokenvault client add mood-tracker --redirect-uri https://app.example/callback --scope "basic readmeasurements"
              tokenvault client add phone-app --public --redirect-uri com.example.app:/callback --scope basic
              tokenvault client add nightly-job --grant-type client_credentials --jwks-file job.jwks --scope basic
            """)

    @Argument(help: "The name of the client, for people.")
    var name: String

    @Option(
        name: .customLong("client-id"),
        help: ArgumentHelp("The client_id; random by default.", valueName: "id"))
    var clientID: String?

    @OptionGroup var options: RegistrationOptions
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        var registration = ClientRegistration(name: name)
        try options.changes()(&registration)
        let added = try await location.withVault { [registration] in
            try await $0.addClient(registration, clientID: clientID)
        }
        try output.show(ClientRecord(added.client, secret: added.secret))
        if added.secret != nil { output.note("The secret is shown this once.") }
    }
}

/// Changes what is registered of a client.
struct ClientSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Change what is registered of a client.",
        discussion: """
            What is not given stays; what may be repeated replaces all there was. Grants that exist keep the scope \
            they have: revoke them where that matters.

            Examples:
              tokenvault client set mood-tracker --scope "basic readmeasurements writemeasurements"
              tokenvault client set mood-tracker --access-lifetime 10m --id-token-alg ES256
              tokenvault client set measurement-api --may-introspect
            """)

    @OptionGroup var client: ClientArgument
    @OptionGroup var options: RegistrationOptions
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let changes = try options.changes()
        let changed = try await location.withVault { try await $0.changeClient(client.name, changes) }
        try output.show(ClientRecord(changed.client, secret: changed.secret))
        if changed.secret != nil { output.note("The secret is shown this once.") }
    }
}
