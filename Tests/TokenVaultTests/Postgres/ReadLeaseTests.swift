import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultStore

/// A primary that is cut off from its standbys may have been replaced: what it shows may have been taken back elsewhere.
@Suite(.bounded, .withServer)
struct `What PostgreSQL shows without confirming a commit counts for 15 seconds` {
    @Test func `tokens, sessions, clients and connections, at the one door for reading`() async throws {
        let cluster = try PostgresCluster()
        defer { cluster.end() }
        let keyFile = NSTemporaryDirectory() + "tokenvault-key-" + UUID().uuidString
        defer { unlink(keyFile) }
        try Vault.createKeyFile(at: keyFile)
        let vault = try await Vault.create(
            at: .postgres(service: cluster.makeDatabase()), unlockedBy: .keyFile(path: keyFile),
            isSingle: true)
        let party = try await Party(vault)
        let tokens = try await party.begin()
        let cookie = try await vault.startSession(
            user: party.user.id, signedInAt: vault.time.now, lifetime: .seconds(3600))
        let connection = try await vault.connect(party.user, provider: "provider").connection.id
        let reads: [String: @Sendable () async throws -> Bool] = [
            "access token": { try await vault.validate(tokens.pair.accessToken) != nil },
            "refresh token": { try await vault.inspectRefreshToken(tokens.refreshToken) != nil },
            "session": { try await vault.session(cookie) != nil },
            "client": { try await vault.clients.first(identifiedBy: party.client.clientID) != nil },
            "connection": { try await vault.heldConnection(connection).connection.id == connection },
        ]
        // Now a commit waits for a standby that is not there.
        func demandStandby(_ names: String) throws {
            try cluster.run("ALTER SYSTEM SET synchronous_standby_names = '\(names)'", in: "postgres")
            try cluster.run("SELECT pg_reload_conf()", in: "postgres")
        }
        try demandStandby("nobody")
        for (kind, read) in reads { #expect(try await read(), "\(kind)") }
        try await Waiting.pass(.seconds(16))
        await withTaskGroup(of: Void.self) { group in
            for (kind, read) in reads {
                group.addTask {
                    let error = await #expect(throws: VaultError.self, "\(kind)") { _ = try await read() }
                    #expect(error.map { [.unavailable, .busy].contains($0.code) } ?? true, "\(kind)")
                }
            }
        }
        try demandStandby("")
        for (kind, read) in reads {
            let isBack = try await Waiting.until(within: .seconds(20)) { (try? await read()) ?? false }
            #expect(isBack, "\(kind)")
        }
        await vault.close()
    }
}
