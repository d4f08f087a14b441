import ArgumentParser
import Foundation
import VaultCore

/// Who we are at a provider: the identifier may be seen, the secret comes from a file, a descriptor or the terminal.
struct ClientCredentialArguments: ParsableArguments {
    @Option(
        name: .customLong("client-id"),
        // Providers give such identifiers too: with a dash in front.
        parsing: .unconditional,
        help: ArgumentHelp("Our client's identifier at the provider.", valueName: "id"))
    var identifier: String?
    @Option(
        name: .customLong("client-id-file"),
        help: ArgumentHelp("Read the identifier from the first line of this file.", valueName: "path"),
        completion: .file())
    var identifierFile: String?
    @OptionGroup var secret: SecretArguments<ClientSecret>

    func validate() throws {
        guard identifier == nil || identifierFile == nil else {
            throw ValidationError("Give --client-id or --client-id-file, not both.")
        }
        guard secret.file == nil || secret.descriptor == nil else {
            throw ValidationError("Give --client-secret-file or --client-secret-fd, not both.")
        }
    }

    func clientID() throws -> String {
        if let identifier { return identifier }
        guard let identifierFile else {
            throw VaultError(
                .invalidInput, "No client identifier was given.",
                remedy: "Give your identifier at the provider: --client-id ID or --client-id-file FILE.")
        }
        let bytes = try SmallFile.read(
            identifierFile, limit: 4096, closed: .toNobody, remedy: "Check --client-id-file.")
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        return String(decoding: line, as: UTF8.self)
    }

    /// - Parameter isPublic: the provider expects no secret, so none is asked for.
    func secret(isPublic: Bool) throws -> SecretBytes? {
        try secret.read() ?? (isPublic ? nil : SecretReader.clientSecret.ask(isNew: false))
    }
}
