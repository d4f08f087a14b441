import ArgumentParser
import Foundation
import VaultCore
import VaultCrypto

/// What opens the vault: a key file, a passphrase, or a systemd credential.
///
/// Never a secret in an argument.
struct KeyArguments: ParsableArguments {
    @Option(
        name: .customLong("key-file"),
        help: ArgumentHelp("The key file (TOKENVAULT_KEY_FILE).", valueName: "path"), completion: .file())
    var keyFile: String?

    @Option(
        name: .customLong("passphrase-file"),
        help: ArgumentHelp("Read the passphrase from the first line of this file.", valueName: "path"),
        completion: .file())
    var passphraseFile: String?

    @Option(
        name: .customLong("passphrase-fd"),
        help: ArgumentHelp("Read the passphrase from this file descriptor.", valueName: "number"))
    var passphraseDescriptor: Int32?

    @Option(
        name: .customLong("credential"),
        help: ArgumentHelp("Use this systemd credential ($CREDENTIALS_DIRECTORY).", valueName: "name"))
    var credential: String?

    func validate() throws {
        let given = [keyFile != nil, passphraseFile != nil, passphraseDescriptor != nil, credential != nil]
        guard given.filter({ $0 }).count <= 1 else {
            throw ValidationError(
                "Give one of --key-file, --passphrase-file, --passphrase-fd and --credential, not several.")
        }
    }

    /// The key file named by option or, when no other key is, by the environment.
    var keyFilePath: String? {
        if let keyFile { return keyFile }
        let isOtherGiven = passphraseFile != nil || passphraseDescriptor != nil || credential != nil
        return isOtherGiven ? nil : Self.environment("TOKENVAULT_KEY_FILE")
    }

    /// Whether there is a key to be had without asking anybody.
    var isGiven: Bool {
        keyFilePath != nil || passphraseFile != nil || passphraseDescriptor != nil || credential != nil
    }

    /// - Parameter isNew: asks for a passphrase twice, because a misspelt one would lock the vault for good.
    func source(isNew: Bool = false) throws -> KeySource {
        if let credential { return .systemdCredential(name: credential) }
        if let passphraseFile { return .passphrase(try SecretReader.passphrase.read(file: passphraseFile)) }
        if let passphraseDescriptor {
            return .passphrase(try SecretReader.passphrase.read(descriptor: passphraseDescriptor))
        }
        if let keyFilePath { return .keyFile(path: keyFilePath) }
        return .passphrase(try SecretPrompt(.passphrase).ask(isNew: isNew))
    }

    /// A variable of the environment; an empty one counts as not set.
    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
