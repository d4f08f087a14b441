import ArgumentParser
import Foundation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

/// Makes a vault, and its key file on request.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Create a vault.",
        discussion: """
            The key file is created with mode 600 and never overwritten. Keep a copy of it on another machine: \
            without it the vault cannot be read. Without --key-file you are asked for a passphrase.

            With --recovery-file a recovery key is written to that file, sealed by a passphrase of its own. It \
            opens the vault when all other keys are lost. Keep it off this machine.

            Examples:
              tokenvault init --key-file v.key --create-key-file --recovery-file v.recovery
              tokenvault init --vault ./vault --key-file ./vault.key --create-key-file
              tokenvault init --vault ./vault --passphrase-file ./passphrase
              tokenvault init --vault postgres:tokenvault --key-file /etc/tokenvault/key
            """)

    @OptionGroup var location: VaultArguments
    @Flag(name: .customLong("create-key-file"), help: "Create the key file named by --key-file.")
    var createsKeyFile = false
    @Flag(help: "In PostgreSQL: no standby has to confirm a commit, which is lost with the server's disk.")
    var single = false
    @OptionGroup(title: "Passphrase of the recovery file (you are asked for it otherwise)")
    var recoveryPassphrase: SecretArguments<RecoveryPassphrase>
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let place = try location.place()
        try refuseFound(place)
        let recovery = try newRecovery()
        let unopened = try Unfinished { [self] in
            if createsKeyFile { try createKeyFile(besides: place) }
        } undo: { [self] in
            if !isThere(place) { removeCreatedKeyFile() }
        }
        defer { unopened.finish() }
        let vault: Vault
        do {
            vault = try await Vault.create(
                at: place, unlockedBy: location.key.slotSource(isNew: true), isSingle: single,
                configuration: .command)
        } catch {
            // It opens no vault that others made, and none that was not made.
            let code = (error as? VaultError)?.code
            if code == .alreadyExists || code != .outcomeUnknown && !Vault.mayBe(at: place) {
                removeCreatedKeyFile()
            }
            throw error
        }
        let slots: [VaultKeyslot]
        do {
            if let recovery {
                _ = try await vault.keys.createRecoveryKey(
                    file: recovery.file, passphrase: recovery.passphrase)
            }
            slots = try await vault.keys.slots()
        } catch {
            await vault.close()
            // Without the recovery key that was asked for there is no vault, and the next try finds the place free; only
            // where the slot may have been written after all, or a service has opened the vault, what there is has to stay.
            if (error as? VaultError)?.code != .outcomeUnknown,
                (try? Vault.discard(vault.id, at: place)) == true
            {
                removeCreatedKeyFile()
            }
            throw error
        }
        let keyFile = location.key.keyFilePath
        // With the verifier key an outsider can check the log's checkpoints.
        let made = Shown([
            .both("vault", place.description), .both("vault_id", vault.id.description),
            .both("key_file", keyFile),
            .both("recovery_file", recovery?.file), .both("log_verifier_key", vault.log.verifierKey),
        ])
        await vault.close()
        try output.show(made)
        if keyFile != nil {
            output.note("Keep a copy of the key file elsewhere: without it the vault cannot be opened.")
        }
        output.noteMissingRecoveryKey(among: slots)
    }

    private func refuseFound(_ place: VaultPlace) throws {
        guard case .file(let path) = place else { return }
        guard !single else {
            throw VaultError(
                .invalidInput, "--single is for a vault in PostgreSQL.",
                remedy: "Leave it out, or name a service: --vault postgres:SERVICE.")
        }
        guard !isThere(place) else {
            throw VaultError(
                .alreadyExists, "There is already a file at \(path).",
                remedy: "Choose another path; an existing vault is never overwritten.")
        }
    }

    /// Of a database nothing can be told without a key: what may open it stays.
    private func isThere(_ place: VaultPlace) -> Bool {
        if case .file(let path) = place { access(path, F_OK) == 0 } else { true }
    }

    /// Asked for before anything is made.
    private func newRecovery() throws -> (file: String, passphrase: SecretBytes)? {
        guard let file = location.key.recoveryFile else { return nil }
        guard access(file, F_OK) != 0 else {
            throw VaultError(
                .alreadyExists, "There is already a file at \(file).",
                remedy: "Choose another path for the recovery file; an existing one is never overwritten.")
        }
        let directory = URL(filePath: file).deletingLastPathComponent().path
        guard access(directory, W_OK | X_OK) == 0 else {
            throw errno == ENOENT || errno == ENOTDIR
                ? VaultError(
                    .notFound, "The directory of \(file) does not exist.",
                    remedy: "Make it first, with mode 700.")
                : VaultError(
                    .permissionDenied, "The recovery file cannot be written into the directory of \(file).",
                    remedy: "Choose another path for the recovery file.")
        }
        return (file, try recoveryPassphrase.read() ?? SecretReader.recoveryPassphrase.ask(isNew: true))
    }

    /// A key that opens nothing would only be in the way of the next try.
    private func removeCreatedKeyFile() {
        if createsKeyFile, let file = location.key.keyFilePath { unlink(file) }
    }

    private func createKeyFile(besides place: VaultPlace) throws {
        guard let file = location.key.keyFilePath else {
            throw VaultError(
                .invalidInput, "--create-key-file needs the name of the key file.",
                remedy: "Give --key-file PATH.")
        }
        try Vault.createKeyFile(at: file)
        // By whatever names: nothing was there a moment ago.
        if case .file = place, isThere(place) {
            unlink(file)
            throw VaultError(
                .invalidInput, "The vault and its key file cannot be one file.",
                remedy: "Give --key-file another path, best in another directory.")
        }
    }
}
