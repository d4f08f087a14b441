import ArgumentParser
import Foundation
import TokenVault
import VaultCore
import VaultCrypto

/// Makes a vault, and its key file on request.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a new vault.",
        discussion: """
            The key file is made with mode 600 and never overwritten. Keep a copy of it somewhere else: without it \
            nothing in the vault can be read, by anybody. Without --key-file you are asked for a passphrase.

            Examples:
              tokenvault init --vault ./vault --key-file ./vault.key --create-key-file
              tokenvault init --vault ./vault --passphrase-file ./passphrase
            """)

    @OptionGroup var location: VaultArguments
    @Flag(name: .customLong("create-key-file"), help: "Make the key file named by --key-file.")
    var createsKeyFile = false
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let path = try location.path()
        guard access(path, F_OK) != 0 else {
            throw VaultError(
                .alreadyExists, "There is already a file at \(path).",
                remedy: "Choose another path; an existing vault is never overwritten.")
        }
        if createsKeyFile { try createKeyFile(besides: path) }
        let vault: Vault
        do {
            vault = try await Vault.create(
                at: path, unlockedBy: location.key.source(isNew: true), options: .command)
        } catch {
            // A key that opens nothing would only be in the way of the next try.
            if createsKeyFile, access(path, F_OK) != 0, let file = location.key.keyFilePath { unlink(file) }
            throw error
        }
        let record = NewVaultRecord(
            vault: path, vaultId: vault.id.description, keyFile: location.key.keyFilePath,
            logVerifierKey: vault.logVerifierKey)
        await vault.close()
        try output.show(record)
        if record.keyFile != nil {
            output.note("Keep a copy of the key file elsewhere: without it the vault cannot be opened.")
        }
    }

    private func createKeyFile(besides path: String) throws {
        guard let file = location.key.keyFilePath else {
            throw VaultError(
                .invalidInput, "--create-key-file needs the name of the key file.",
                remedy: "Give --key-file PATH.")
        }
        guard file != path else {
            throw VaultError(.invalidInput, "The vault and its key file cannot be one file.")
        }
        try Vault.createKeyFile(at: file)
    }
}

/// A new vault as printed: `{"key_file":"…","log_verifier_key":"…","vault":"…","vault_id":"…"}`.
private struct NewVaultRecord: Record {
    let vault: String
    let vaultId: String
    let keyFile: String?
    /// With this an outsider can check the log's checkpoints.
    let logVerifierKey: String

    var lines: [String] {
        var pairs = [("vault", vault), ("vault_id", vaultId)]
        if let keyFile { pairs.append(("key_file", keyFile)) }
        return Table.pairs(pairs + [("log_verifier_key", logVerifierKey)])
    }
}
