import ArgumentParser
import Foundation
import TokenVault
import VaultCore
import VaultCrypto

/// What a new keyslot is made for.
struct NewKeyArguments: ParsableArguments {
    @Option(
        name: KeyOption.keyFile.newName,
        help: ArgumentHelp("A key file.", valueName: "path"), completion: .file())
    var keyFile: String?

    @Flag(name: .customLong("create"), help: "Make the key file named by --new-key-file.")
    var createsKeyFile = false

    @OptionGroup var passphrase: NewPassphraseArguments

    @Option(
        name: KeyOption.credential.newName,
        help: ArgumentHelp("A systemd credential ($CREDENTIALS_DIRECTORY).", valueName: "name"))
    var credential: String?

    @Option(
        name: KeyOption.program.newName,
        help: ArgumentHelp("A program that wraps the key, by its absolute path.", valueName: "path"),
        completion: .file())
    var program: String?

    func validate() throws {
        let given = [keyFile != nil, passphrase.isGiven, credential != nil, program != nil]
        guard given.count(where: \.self) == 1 else {
            throw ValidationError(
                "Give one new key: \(KeyOption.list("or", of: KeyOption.ofNewSlots, prefix: "new-")).")
        }
        guard !createsKeyFile || keyFile != nil else {
            throw ValidationError("--create needs the name of the key file: --new-key-file.")
        }
    }

    /// Adds the slot; a key file that was made for it is removed again when that fails.
    func add(to vault: Vault, named name: String?) async throws -> VaultKeyslot {
        let given = try passphrase.read()
        if createsKeyFile, let keyFile { try Vault.createKeyFile(at: keyFile) }
        do {
            // A passphrase that lies in a file has to come out of it a second time.
            return try await vault.addKeyslot(
                named: name, unlockedBy: source(given), provedBy: source(passphrase.readAgain() ?? given))
        } catch {
            if createsKeyFile, let keyFile, (error as? VaultError)?.code != .outcomeUnknown {
                unlink(keyFile)
            }
            throw error
        }
    }

    private func source(_ passphrase: SecretBytes?) throws -> KeySource {
        if let program { return .program(try KeyProgram(path: program)) }
        if let credential { return .systemdCredential(name: credential) }
        if let keyFile { return .keyFile(path: keyFile) }
        guard let passphrase else { throw VaultError(.internalError, "No new key was given.") }
        return .passphrase(passphrase)
    }
}

/// A passphrase to be: asked for twice, or read.
struct NewPassphraseArguments: ParsableArguments {
    @Option(
        name: KeyOption.passphraseFile.newName,
        help: ArgumentHelp("Read the new passphrase from the first line of this file.", valueName: "path"),
        completion: .file())
    var file: String?

    @Option(
        name: KeyOption.passphraseDescriptor.newName,
        help: ArgumentHelp("Read the new passphrase from this file descriptor.", valueName: "number"))
    var descriptor: Int32?

    @Flag(name: KeyOption.passphrasePrompt.newName, help: "Ask for the new passphrase on the terminal.")
    var isAsked = false

    var isGiven: Bool { file != nil || descriptor != nil || isAsked }

    func validate() throws {
        guard [file != nil, descriptor != nil, isAsked].count(where: \.self) <= 1 else {
            throw ValidationError(
                "Give one of --new-passphrase-file, --new-passphrase-fd and --new-passphrase-prompt, not several."
            )
        }
    }

    /// Nil: none was named.
    func read() throws -> SecretBytes? {
        isAsked
            ? try SecretPrompt(.newPassphrase).ask(isNew: true)
            : try SecretReader.newPassphrase.read(file: file, descriptor: descriptor)
    }

    /// From its file; nil where it came from elsewhere.
    func readAgain() throws -> SecretBytes? {
        try file.map { try SecretReader.newPassphrase.read(file: $0) }
    }
}
