import ArgumentParser
import Foundation
import OpenIDConnect
import TokenVault
import VaultCore

struct ClientCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client", abstract: "Register, show and change clients.",
        discussion: "Name a client by its client_id or its name.",
        subcommands: [
            ClientAddCommand.self, ClientSetCommand.self, ClientListCommand.self, ClientShowCommand.self,
            ClientDisableCommand.self, ClientEnableCommand.self, ClientRemoveCommand.self,
            ClientRotateSecretCommand.self, ClientExportCommand.self, ClientImportCommand.self,
        ])
}

/// The client a command is about.
struct ClientArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The client_id or the name of the client.", valueName: "client"))
    var name: String
}

struct ClientAddCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Register a client. The secret of a confidential one is shown once.",
        discussion: """
            Examples:
              tokenvault client add mood --redirect-uri https://app.example/cb --scope a
              tokenvault client add phone --public --redirect-uri com.example:/cb --scope a
              tokenvault client add job --grant-type client_credentials --jwks-file a.jwks
            """)

    @Argument(help: "The client's name, shown to people.")
    var name: String
    @Option(help: ArgumentHelp("The client_id; random by default.", valueName: "id"))
    var clientID: String?
    @OptionGroup var options: RegistrationOptions
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        var registration = ClientRegistration(name: name)
        try options.changes()(&registration)
        try await show { [registration] in
            var shown = Shown(try await $0.clients.add(registration, clientID: clientID))
            shown.notes += ScopeArgument.notes(registration.scope)
            return shown
        }
    }
}

struct ClientSetCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Change a client's registration.",
        discussion: """
            Options that are not given change nothing; a repeatable option replaces the whole list. Existing \
            grants keep their scope: revoke them if they must not.

            Examples:
              tokenvault client set mood-tracker --scope "basic readmeasurements"
              tokenvault client set mood-tracker --access-lifetime 10m --id-token-alg ES256
              tokenvault client set measurement-api --may-introspect
              tokenvault client set agent --rotation until-first-use:24h
            """)

    @OptionGroup var client: ClientArgument
    @OptionGroup var options: RegistrationOptions
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let changes = try options.changes()
        try await show { Shown(try await $0.clients.change(client.name, changes)) }
    }
}

struct ClientListCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the clients, in order of registration.",
        discussion: "Example:\n  tokenvault client list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let clients = try await location.withVault { try await $0.clients.list() }
        try output.show(
            clients.map { Shown($0) }, under: ["CLIENT_ID", "NAME", "STATE", "GRANT TYPES", "SCOPE"])
    }
}

struct ClientShowCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one client. Its secrets are stored as tags and cannot be shown.",
        discussion: "Example:\n  tokenvault client show mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws { try await show { Shown(try await $0.clients.find(client.name)) } }
}

struct ClientDisableCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Refuse a client and its grants until it is enabled.",
        discussion: "Example:\n  tokenvault client disable mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await show { Shown(try await $0.clients.disable(client.name)) }
    }
}

struct ClientEnableCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Accept a disabled client again.",
        discussion: "Example:\n  tokenvault client enable mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await show { Shown(try await $0.clients.enable(client.name)) }
    }
}

struct ClientRemoveCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a client and revoke its grants. Cannot be undone.",
        discussion: "Example:\n  tokenvault client remove mood-tracker --confirm mood-tracker")

    @OptionGroup var client: ClientArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(client.name, consequence: "Removing a client revokes all its grants")
        try await show {
            try await $0.clients.remove(client.name)
            return Shown(removed: client.name)
        }
    }
}

struct ClientRotateSecretCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "rotate-secret", abstract: "Make a new secret for a client, shown once.",
        discussion: """
            Earlier secrets are accepted for the overlap. After a leak, use --overlap 0s.

            Example:
              tokenvault client rotate-secret mood-tracker --overlap 24h
            """)

    @OptionGroup var client: ClientArgument
    @Option(help: ArgumentHelp("How long the old secrets are still accepted.", valueName: "duration"))
    var overlap = DurationArgument(.seconds(86400))
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await show {
            Shown(try await $0.clients.rotateSecret(of: client.name, overlap: overlap.duration))
        }
    }
}

struct ClientExportCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Print a client as JSON (RFC 7591), without its secrets.",
        discussion: """
            With --json the object is one line, else it is indented.

            Examples:
              tokenvault client export mood-tracker > mood-tracker.json
              tokenvault client export mood --json | tokenvault client import - --vault new
            """)

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let found = try await location.withVault { try await $0.clients.find(client.name) }
        var options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        if !output.isJSON { options.insert(.prettyPrinted) }
        let data = try JSONSerialization.data(withJSONObject: ClientMetadata(found).object, options: options)
        try Console.print(String(decoding: data, as: UTF8.self))
    }
}

struct ClientImportCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Register a client from JSON (RFC 7591).",
        discussion: """
            A confidential client gets a new secret, shown once. Unsupported members are refused; descriptive \
            ones (client_uri, logo_uri, contacts, …) are ignored.

            Examples:
              tokenvault client import mood-tracker.json
              tokenvault client import - --json < mood-tracker.json
            """)

    @Argument(
        help: ArgumentHelp("The file, or - to read standard input.", valueName: "file"), completion: .file())
    var file: String
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    /// A registration with the longest key set and many addresses is far below it.
    private static let limit = 64 * 1024

    func run() async throws {
        let bytes =
            file == "-"
            ? try StandardInput.bytes(limit: Self.limit)
            : try SmallFile.read(file, limit: Self.limit, closed: .toNobody, remedy: "Check the file.")
        let metadata = try ClientMetadata(json: bytes)
        try await show {
            var shown = Shown(try await $0.clients.add(metadata.registration, clientID: metadata.clientID))
            if !metadata.ignored.isEmpty {
                shown.notes.insert("Not kept: \(metadata.ignored.joined(separator: ", ")).", at: 0)
            }
            return shown
        }
    }
}

extension Shown {
    /// What making or changing a client gave: its secret, where there is one, is shown this once.
    fileprivate init(_ new: NewClient) {
        self.init(new.client, secret: new.secret)
        if new.secret != nil { notes = ["The secret is shown only now."] }
        let registration = new.client.registration
        if !registration.insecureHosts.isEmpty {
            notes.append(
                "What is sent to \(registration.insecureHosts.joined(separator: ", ")) can be read on the way."
            )
        }
        let claimable =
            registration.appSchemes.map { "\($0):" }
            + (registration.acceptsAnyLocalhostPort ? ["http://localhost"] : [])
        if !claimable.isEmpty {
            notes.append(
                "Any program on a device can receive what is sent to \(claimable.joined(separator: ", ")): users are asked each time."
            )
        }
    }

    /// `{"client_id":"…","client_secret":"tv_cs_…","created_at":"…","grant_types":[…],"name":"…","scope":"basic",…}`;
    /// lifetimes are seconds, `jwks` is the client's key set as registered, and `unused_keys` says which of these cannot
    /// verify an assertion, and why.
    fileprivate init(_ client: Client, secret: SecretBytes? = nil) {
        let registration = client.registration
        let methods = registration.authenticationMethods.map(\.rawValue)
        let grantTypes = registration.grantTypes.map(\.rawValue)
        let responseTypes = registration.responseTypes.map(\.rawValue)
        let unusedKeys = registration.keySet.map(Self.unusedKeys) ?? []
        let lifetimes = registration.lifetimes
        var fields: [Field] = [
            .both("client_id", client.clientID), .both("client_secret", secret?.text),
            .both("name", registration.name), .both("state", "\(client.state)"),
            .both(
                "token_endpoint_auth_methods", methods, label: "authentication",
                as: methods.joined(separator: " ")),
            .both("grant_types", grantTypes, as: grantTypes.joined(separator: " ")),
            .both("response_types", responseTypes, as: responseTypes.joined(separator: ", ")),
            .json("redirect_uris", registration.redirectURIs),
            .json("app_schemes", registration.appSchemes.isEmpty ? nil : registration.appSchemes),
            .both(
                "insecure_hosts", registration.insecureHosts.isEmpty ? nil : registration.insecureHosts,
                as: registration.insecureHosts.isEmpty
                    ? nil : registration.insecureHosts.joined(separator: " ")),
            .both("self_registered", client.isSelfRegistered ? true : nil),
            .json("any_localhost_port", registration.acceptsAnyLocalhostPort ? true : nil),
        ]
        fields += registration.redirectURIs.map { .text("redirect_uri", $0) }
        let logoutURIs = registration.postLogoutRedirectURIs
        fields.append(.json("post_logout_redirect_uris", logoutURIs.isEmpty ? nil : logoutURIs))
        fields += logoutURIs.map { .text("post_logout_redirect_uri", $0) }
        fields += [
            .both("scope", registration.scope.text),
            .both(
                "id_token_signed_response_alg", registration.idTokenAlgorithm.rawValue,
                label: "id_token_alg"),
            .both("may_introspect", registration.mayIntrospect),
            .both("code_lifetime", lifetimes.authorizationCode),
            .both("access_lifetime", lifetimes.accessToken), .both("idle_lifetime", lifetimes.idle),
            .both("absolute_lifetime", lifetimes.absolute), .both("retry_window", lifetimes.retryWindow),
            .both("rotation", registration.rotation.description),
            .both("jwks", registration.keySet), .both("jwks_uri", registration.keySetURI),
            .json("unused_keys", unusedKeys.isEmpty ? nil : unusedKeys),
        ]
        fields += unusedKeys.map { .text("unused key", $0) }
        fields += client.secrets.map { secret in
            let end = secret.notAfter.map { " to \(Timestamp($0))" } ?? ""
            return .text("secret \(secret.generation)", "from \(Timestamp(secret.notBefore))\(end)")
        }
        let secrets = client.secrets.map {
            Shown([
                .json("generation", $0.generation), .json("not_before", $0.notBefore),
                .json("not_after", $0.notAfter),
            ])
        }
        self.init(
            fields + [.json("secrets", secrets), .both("created_at", client.createdAt)],
            cells: [
                client.clientID, registration.name, "\(client.state)", grantTypes.joined(separator: " "),
                registration.scope.text,
            ])
    }

    private static func unusedKeys(_ keySet: String) -> [String] {
        do throws(VaultError) { return try ClientKeySet.check(keySet).map(\.description) } catch {
            return [error.message]
        }
    }
}
