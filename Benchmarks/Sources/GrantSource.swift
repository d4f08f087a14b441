import ArgumentParser
import Foundation
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// Begins grants as an issuer does: authorize, then redeem the code.
struct GrantSource: Sendable {
    let vault: Vault
    let client: Client

    private static let callers = 256

    /// Makes a new grant of `user` and returns its code.
    func authorize(user: String, redirectURI: String) async throws -> SecretBytes {
        try await vault.authorize(
            Authorization(
                client: client.clientID, user: user, scope: ScopeSet(parsing: "basic") ?? .empty,
                redirectURI: redirectURI)
        ).code
    }

    /// Makes a new grant of `user`, at generation 1, and returns its refresh token.
    func begin(user: String, redirectURI: String) async throws -> SecretBytes {
        let code = try await authorize(user: user, redirectURI: redirectURI)
        var request = ExchangeRequest(
            kind: .authorizationCode, credential: code, client: client, channel: .library)
        request.redirectURI = redirectURI
        guard case .issued(let issued) = try await vault.exchange(request),
            let token = issued.pair.refreshToken
        else {
            throw BenchmarkFailure("A code was refused.")
        }
        return token
    }

    /// Runs `body` for every number below `count`, many at once.
    static func concurrently(
        _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    for number in stride(from: caller, to: count, by: callers) { try await body(number) }
                }
            }
            try await group.waitForAll()
        }
    }
}

/// More grants for a vault that others measure.
struct Grow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add grants to a vault and, on request, print their refresh tokens.")

    @Option(help: "Number of grants.")
    var grants: Int
    @Option(help: "The vault.")
    var vault: String
    @Option(help: "Its key file.")
    var keyFile: String
    @Option(help: "Name or identifier of the client; its first redirect URI is used.")
    var client: String
    @Option(help: "Name of the user.")
    var user: String
    @Flag(help: "Print the refresh tokens, one a line.")
    var printTokens = false

    func run() async throws {
        let opened = try await Vault.open(
            at: VaultPlace(parsing: vault), unlockedBy: .keyFile(path: keyFile))
        let source = GrantSource(vault: opened, client: try await opened.clients.find(client))
        guard let redirectURI = source.client.registration.redirectURIs.first else {
            throw BenchmarkFailure("The client has no redirect URI.")
        }
        try await GrantSource.concurrently(grants) { [user, printTokens] _ in
            let token = try await source.begin(user: user, redirectURI: redirectURI)
            if printTokens { token.withExposed { FileHandle.standardOutput.write(Data($0 + [10])) } }
        }
        await opened.close()
    }
}
