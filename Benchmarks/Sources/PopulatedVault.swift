import Foundation
import Synchronization
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// A vault with so many grants, made once through the vault's own interface and copied for every measurement.
struct PopulatedVault: Sendable {
    let grants: Int
    let directory: String

    static let clientName = "bench"
    static let redirectURI = "https://app.example/callback"
    /// Bytes of one token's text.
    static let tokenBytes = 110
    /// Starting tokens kept, of grants spread evenly over the table.
    private static let sampledTokens = 200_000
    private static let users = 10_000

    var vaultPath: String { directory + "/vault" }
    var keyPath: String { directory + "/key" }
    var tokensPath: String { directory + "/tokens" }

    /// Finds the populated vault in `cache`, or makes it.
    static func prepare(grants: Int, in cache: String) async throws -> PopulatedVault {
        let finished = PopulatedVault(grants: grants, directory: "\(cache)/\(grants)")
        if FileManager.default.fileExists(atPath: finished.tokensPath), await finished.isUsable() {
            return finished
        }
        try? FileManager.default.removeItem(atPath: finished.directory)
        let draft = PopulatedVault(grants: grants, directory: "\(cache)/\(grants).making")
        try? FileManager.default.removeItem(atPath: draft.directory)
        try FileManager.default.createDirectory(
            atPath: draft.directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700]
        )
        Console.note("populating a vault with \(grants) grants of \(users) users; kept in \(cache)")
        let start = ContinuousClock.now
        try await draft.populate()
        try FileManager.default.moveItem(atPath: draft.directory, toPath: finished.directory)
        Console.note("populated in \(start.duration(to: .now).components.seconds) s")
        return finished
    }

    /// A fresh copy, settled on the disk, so that no measurement inherits the state of another.
    func copy() throws -> WorkingCopy {
        let target = directory + ".work"
        try? FileManager.default.removeItem(atPath: target)
        try FileManager.default.copyItem(atPath: directory, toPath: target)
        sync()
        return WorkingCopy(
            vault: PopulatedVault(grants: grants, directory: target),
            tokens: Array(try Data(contentsOf: URL(fileURLWithPath: target + "/tokens"))))
    }

    func open() async throws -> Vault {
        try await Vault.open(at: vaultPath, unlockedBy: .keyFile(path: keyPath))
    }

    /// Whether this program still opens it: a vault of another schema is made anew.
    private func isUsable() async -> Bool {
        guard let vault = try? await open() else { return false }
        await vault.close()
        return true
    }

    private func populate() async throws {
        try Vault.createKeyFile(at: keyPath)
        let vault = try await Vault.create(at: vaultPath, unlockedBy: .keyFile(path: keyPath))
        var registration = ClientRegistration(name: Self.clientName)
        registration.redirectURIs = [Self.redirectURI]
        registration.scope = ScopeSet(parsing: "basic readmeasurements") ?? .empty
        registration.grantTypes = GrantType.allCases
        let client = try await vault.clients.add(registration).client
        try await GrantSource.concurrently(Self.users) { _ = try await vault.users.add("user\($0)") }
        let source = GrantSource(vault: vault, client: client)
        let every = max(grants / Self.sampledTokens, 1)
        let tokens = Mutex<[UInt8]>([])
        try await GrantSource.concurrently(grants) { number in
            let token = try await source.begin(
                user: "user\(number % Self.users)", redirectURI: Self.redirectURI)
            guard number % every == 0 else { return }
            token.withExposed { text in tokens.withLock { $0 += text } }
        }
        await vault.close()
        try Data(tokens.withLock { $0 }).write(to: URL(fileURLWithPath: tokensPath))
    }
}

/// A copy of a populated vault to be worked on, and the starting tokens of its sampled grants.
struct WorkingCopy: Sendable {
    let vault: PopulatedVault
    let tokens: [UInt8]

    var tokenCount: Int { tokens.count / PopulatedVault.tokenBytes }

    func token(_ index: Int) -> [UInt8] {
        Array(tokens[index * PopulatedVault.tokenBytes..<(index + 1) * PopulatedVault.tokenBytes])
    }

    func remove() { try? FileManager.default.removeItem(atPath: vault.directory) }
}

/// A measurement that did not come about.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
