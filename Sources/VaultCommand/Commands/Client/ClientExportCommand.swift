import ArgumentParser
import Foundation
import TokenVault
import VaultCore

/// Prints a client as it can be imported elsewhere.
struct ClientExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Print a client as JSON (RFC 7591), without its secrets.",
        discussion: """
            With --json it is one line, else it is laid out for reading; the object is the same.

            Examples:
              tokenvault client export mood-tracker > mood-tracker.json
              tokenvault client export mood-tracker --json | tokenvault client import - --vault ./other
            """)

    @OptionGroup var client: ClientArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let found = try await location.withVault { try $0.client(client.name) }
        var options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        if !output.isJSON { options.insert(.prettyPrinted) }
        let data = try JSONSerialization.data(withJSONObject: ClientMetadata(found).object, options: options)
        try Console.print(String(decoding: data, as: UTF8.self))
    }
}

/// Registers a client from JSON.
struct ClientImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Register a client from JSON (RFC 7591).",
        discussion: """
            A confidential client gets a new secret, shown once. A member that is not supported is refused; those \
            that only describe the client to people (client_uri, logo_uri, contacts, …) are left out.

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
        let added = try await location.withVault {
            try await $0.addClient(metadata.registration, clientID: metadata.clientID)
        }
        try output.show(ClientRecord(added.client, secret: added.secret))
        if !metadata.ignored.isEmpty {
            output.note("Not kept: \(metadata.ignored.joined(separator: ", ")).")
        }
        if added.secret != nil { output.note("The secret is shown this once.") }
    }
}
