import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A vault of every schema there was opens today` {
    @Test(arguments: [1])
    func `its tokens are good, its log is intact, its keys can be rotated`(_ schema: Int) async throws {
        let golden = try GoldenVault(schema: schema)
        #expect(try sqlite(golden.path, "SELECT max(version) FROM schema_migrations") == "\(schema)")
        var vault = try await golden.open()
        #expect(try await vault.validate(Secret(copying: golden.secrets.accessToken)) != nil)
        #expect(try await vault.users.find(golden.secrets.user).name == golden.secrets.user)
        let before = try await vault.log.verify()
        #expect(before.isIntact, "\(before.findings)")

        let epoch = try await vault.keys.rotateRoot().epoch
        #expect(epoch == 3)
        await vault.close()
        vault = try await golden.open()
        let request = ExchangeRequest(
            kind: .refreshToken, credential: Secret(copying: golden.secrets.refreshToken),
            client: try await vault.clients.find(golden.secrets.clientId), channel: .library)
        let tokens = try #require(try await vault.exchange(request).issued)
        #expect(tokens.generation == 3)
        #expect(try await vault.validate(tokens.pair.accessToken) != nil)
        let after = try await vault.log.verify()
        #expect(after.isIntact, "\(after.findings)")
        await vault.close()
    }

    @Test func `of the newest: connection, pruned log and recovery key`() async throws {
        let golden = try GoldenVault(schema: 1)
        let vault = try await golden.open()
        let connection = try #require(try await vault.connections().first)
        let kept = golden.secrets.connectionRefreshToken
        let held = try await vault.heldConnection(connection.id)
        #expect(held.pair?.refreshToken?.withExposed { $0 } == Array(kept.utf8))
        #expect(try await vault.log.verify().firstKept == 256)
        await vault.close()
        let passphrase = Secret(copying: golden.secrets.recoveryPassphrase)
        let recovery = try RecoveryKey(file: golden.recoveryFile, passphrase: passphrase)
        let recovered = try await golden.open(by: .recoveryKey(recovery))
        #expect(try await recovered.validate(Secret(copying: golden.secrets.accessToken)) != nil)
        await recovered.close()
    }

    /// `make golden`: only while a schema has not landed, for what landed is kept as it was made.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["TOKENVAULT_REGENERATE_GOLDEN"] == "1"))
    func `the newest is made anew`() async throws {
        let test = try await TestVault(clock: SettableClock(1_795_478_540_000))
        let vault = test.vault
        // Entries that are pruned below.
        for _ in 0..<270 { await (try await test.reopen()).close() }
        let party = try await Party(vault)
        let other = try await Party(vault, "other", user: "bob")
        let tokens = try #require(await party.refresh(party.begin().refreshToken).issued)
        _ = try await other.begin()
        _ = try await test.connect(party.user)
        let passphrase = "a golden passphrase, known to everybody"
        let recovery = test.directory + "/recovery"
        _ = try await vault.keys.createRecoveryKey(file: recovery, passphrase: Secret(copying: passphrase))
        _ = try await vault.keys.rotateRoot()
        _ = try await vault.log.prune(vault.log.planPrune(keeping: .newest(10)))
        #expect(try await vault.log.verify().isIntact)
        await vault.close()

        func text(_ token: SecretBytes?) -> String {
            String(decoding: token?.withExposed { $0 } ?? [], as: UTF8.self)
        }
        func line(_ file: String) throws -> String {
            try String(contentsOf: URL(filePath: file), encoding: .utf8).trimmingCharacters(in: .newlines)
        }
        let secrets = GoldenVault.Secrets(
            key: try line(test.keyFile), madeAtMs: 1_795_478_540_000, clientId: party.client.clientID,
            user: party.user.name, accessToken: text(tokens.pair.accessToken),
            refreshToken: text(tokens.pair.refreshToken), recovery: try line(recovery),
            recoveryPassphrase: passphrase, connectionRefreshToken: "refresh of provider")
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(secrets).write(to: GoldenVault.fixtures.appending(path: "vault-v1.json"))
        let pragmas = try ["application_id", "user_version"].map { name in
            "PRAGMA \(name) = \(try sqlite(test.path, "PRAGMA \(name)"));\n"
        }
        let dump =
            "-- A vault as schema 1 made it, dumped; vault-v1.json opens it.\n" + pragmas.joined()
            + (try sqlite(test.path, ".dump")) + "\n"
        try Data(dump.utf8).write(to: GoldenVault.fixtures.appending(path: "vault-v1.sql"))
    }
}
