import ArgumentParser
import VaultCore

/// What a secret is, for the options that say where it comes from.
protocol NamedSecret {
    static var reader: SecretReader { get }
}

enum NewPassphrase: NamedSecret { static let reader = SecretReader.newPassphrase }
enum RecoveryPassphrase: NamedSecret { static let reader = SecretReader.recoveryPassphrase }
enum Password: NamedSecret { static let reader = SecretReader.password }
enum ClientSecret: NamedSecret { static let reader = SecretReader.clientSecret }

extension NamedSecret {
    fileprivate static func option(_ source: String) -> NameSpecification {
        .customLong(reader.option.dropFirst(2) + "-" + source)
    }
}

/// A secret from a file or a descriptor. Never an argument.
struct SecretArguments<Kind: NamedSecret>: ParsableArguments {
    @Option(
        name: Kind.option("file"),
        help: ArgumentHelp(
            "Read the \(Kind.reader.noun) from the first line of this file.", valueName: "path"),
        completion: .file())
    var file: String?
    @Option(
        name: Kind.option("fd"),
        help: ArgumentHelp("Read the \(Kind.reader.noun) from this file descriptor.", valueName: "number"))
    var descriptor: Int32?

    var isGiven: Bool { file != nil || descriptor != nil }

    /// Nil: none was named.
    func read() throws -> SecretBytes? { try Kind.reader.read(file: file, descriptor: descriptor) }
}

/// A secret to be: from a file or a descriptor, or from the terminal, which asks twice.
struct NewSecretArguments<Kind: NamedSecret>: ParsableArguments {
    @OptionGroup var source: SecretArguments<Kind>
    @Flag(name: Kind.option("prompt"), help: "Ask for the \(Kind.reader.noun) on the terminal.")
    var isAsked = false

    var isGiven: Bool { source.isGiven || isAsked }

    func validate() throws {
        guard [source.file != nil, source.descriptor != nil, isAsked].count(where: \.self) <= 1 else {
            let option = Kind.reader.option
            throw ValidationError(
                "Give one of \(option)-file, \(option)-fd and \(option)-prompt, not several.")
        }
    }

    /// Nil: none was named.
    func read() throws -> SecretBytes? { isAsked ? try ask() : try source.read() }

    func ask() throws -> SecretBytes { try Kind.reader.ask(isNew: true) }
}
