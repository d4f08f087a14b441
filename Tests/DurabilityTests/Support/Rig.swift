import Foundation
import Testing
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// A vault in a directory of its own with grants whose tokens are known: what a test breaks and a worker swaps on.
final class Rig: Sendable {
    static let client = "app"
    let directory: String
    let path: String
    let keyFile: String

    /// - Parameter place: where the directory is made; nil: among the temporary files.
    init(in place: String? = nil) throws {
        // As SQLite spells it, which is what the faulty disk will see.
        let parent = (place ?? NSTemporaryDirectory()) as NSString
        directory = parent.resolvingSymlinksInPath + "/tokenvault-durability-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        path = directory + "/vault"
        keyFile = directory + "/key"
        try Vault.createKeyFile(at: keyFile)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Makes the vault with its client and user.
    func create(scope: String = "basic") async throws -> Vault {
        let vault = try await Vault.create(at: path, unlockedBy: .keyFile(path: keyFile))
        var registration = ClientRegistration(name: Self.client)
        registration.redirectURIs = ["https://app.example/callback"]
        registration.scope = try #require(ScopeSet(parsing: scope))
        // A test that takes its time must not outlast the window in which an answer is repeated.
        registration.lifetimes.retryWindow = Limits.retryWindow
        _ = try await vault.clients.add(registration)
        _ = try await vault.users.add("alice")
        return vault
    }

    func open(_ copy: String? = nil) async throws -> Vault {
        try await Vault.open(at: copy ?? path, unlockedBy: .keyFile(path: keyFile))
    }

    /// The vault with `count` grants, closed, and their first refresh tokens.
    func prepare(grants count: Int) async throws -> Chains {
        let vault = try await create()
        let chains = try await Chains.begin(count, in: vault)
        await vault.close()
        return chains
    }

    /// A worker on the vault that swaps each chain `limit` times.
    func worker(
        _ chains: Chains, limit: Int, callers: Int = 1, environment: [String: String] = [:],
        under tool: [String] = []
    ) throws -> ChildProcess {
        let child = try ChildProcess(
            tool + [Self.executable, path, keyFile, Self.client, "\(limit)", "\(callers)"],
            environment: environment)
        for (grant, link) in chains.last { child.send("\(grant) \(link.token)\n") }
        child.send("\n")
        return child
    }

    /// A worker that rotates keys of the vault.
    func rotator(_ key: String) throws -> ChildProcess {
        try ChildProcess([Self.executable, "rotate", path, keyFile, key])
    }

    /// The command itself.
    func command(_ arguments: [String]) throws -> ChildProcess {
        try ChildProcess([Self.directory + "/tokenvault"] + arguments)
    }

    private static let executable = directory + "/vault-worker"

    /// Beside the test bundle.
    private static let directory: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (bundle as NSString).deletingLastPathComponent
    }()
}

extension ExchangeResult {
    var issued: IssuedTokens? {
        if case .issued(let tokens) = self { tokens } else { nil }
    }

    var replayed: IssuedTokens? {
        if case .replayed(let tokens) = self { tokens } else { nil }
    }
}

extension IssuedTokens {
    /// The refresh token as text.
    var text: String { pair.refreshToken?.withExposed { String(decoding: $0, as: UTF8.self) } ?? "" }
}
