import ArgumentParser
import Foundation
import Logging
import ProviderHTTP
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto

/// Where the vault is and what opens it.
struct VaultArguments: ParsableArguments {
    @Option(
        name: .customLong("vault"),
        help: ArgumentHelp(
            "The vault's file, or postgres:SERVICE (TOKENVAULT_PATH).", valueName: "path"),
        completion: .file())
    var vaultPath: String?
    @Flag(help: "Open even if the vault is behind, or has forked from, an anchor's checkpoint.")
    var ignoreAnchors = false
    @OptionGroup(title: "Key (without any, you are asked for a passphrase)")
    var key: KeyArguments

    /// The place, from the option or the environment.
    func place() throws -> VaultPlace { try VaultPlace(parsing: name()) }

    /// The path of a vault in a file.
    ///
    /// - Parameter instead: what to do with one in PostgreSQL.
    func path(instead: String) throws -> String {
        guard case .file(let path) = try place() else {
            throw VaultError(
                .invalidInput, "This is for a vault in a file, and --vault names one in PostgreSQL.",
                remedy: instead)
        }
        return path
    }

    /// As it was written.
    private func name() throws -> String {
        let path = vaultPath ?? KeyArguments.environment("TOKENVAULT_PATH") ?? ""
        guard !path.isEmpty else {
            throw VaultError(
                .invalidInput, "No vault was named.", remedy: "Give --vault PATH, or set TOKENVAULT_PATH.")
        }
        return path
    }

    /// The place; a file is there.
    func existingPlace() throws -> VaultPlace {
        let place = try place()
        guard case .file(let path) = place else { return place }
        guard access(path, F_OK) == 0 || ![ENOENT, ENOTDIR, ENAMETOOLONG].contains(errno) else {
            throw VaultError(
                .notFound, "There is no vault at \(path).",
                remedy: "Check the path of the vault, or create a vault.")
        }
        return place
    }

    /// - Parameter source: nil takes the one that the options name.
    func open(
        _ configuration: VaultConfiguration = .command, unlockedBy source: KeySource? = nil,
        for roles: VaultRoles = .everything
    ) async throws -> Vault {
        // Anyone who mistyped the path should not be asked for a passphrase first.
        let place = try existingPlace()
        return try await Vault.open(
            at: place, unlockedBy: source ?? key.source(), configuration: anchored(configuration), for: roles)
    }

    func anchored(_ configuration: VaultConfiguration) -> VaultConfiguration {
        var configuration = configuration
        configuration.ignoresAnchors = ignoreAnchors
        configuration.anchors = LogAnchors(witnesses: WitnessClient())
        return configuration
    }

    /// Opens the vault for one piece of work and closes it whatever comes of that.
    ///
    /// - Parameter unopened: what to do instead where it does not open.
    func withVault<Result>(
        _ configuration: VaultConfiguration = .command, unlockedBy source: KeySource? = nil,
        for roles: VaultRoles = .everything,
        unopened: (VaultError) async throws -> Result = { throw $0 },
        _ body: (Vault) async throws -> Result
    ) async throws -> Result {
        let vault: Vault
        do {
            vault = try await open(configuration, unlockedBy: source, for: roles)
        } catch let error as VaultError { return try await unopened(error) }
        return try await running {
            try await body(vault)
        } finally: {
            await vault.close()
        }
    }
}

extension VaultConfiguration {
    /// As a command opens a vault: entries say so, and warnings reach the person at the terminal.
    static var command: VaultConfiguration {
        var logger = Logger(label: "tokenvault") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        return command(logger)
    }

    /// Entries say which person acts, as far as the kernel knows; what the environment says is marked as claimed.
    static func command(_ logger: Logger) -> VaultConfiguration {
        var configuration = VaultConfiguration(channel: .command, logger: logger)
        let login = (try? String(contentsOfFile: "/proc/self/loginuid", encoding: .utf8)).flatMap {
            UInt32($0.filter(\.isNumber))
        }
        configuration.actor = ActorDetails(
            .person, name: "tokenvault", uid: getuid(), loginUID: login == .max ? nil : login,
            claimed: ProcessInfo.processInfo.environment["SUDO_USER"])
        return configuration
    }

    /// Options for a program that goes on by itself.
    static func service(_ name: String, _ channel: AuditChannel, _ logger: Logger) -> VaultConfiguration {
        var configuration = VaultConfiguration(channel: channel, logger: logger)
        configuration.actor = ActorDetails(.program, name: name, uid: getuid())
        return configuration
    }
}
