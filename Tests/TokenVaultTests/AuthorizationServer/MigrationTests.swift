import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// A vault that the first schema's program made, with a client, a user and a live grant.
private struct OldVault: Decodable {
    let key: String
    let madeAtMs: Int64
    let clientId: String
    let user: String
    let accessToken: String
    let refreshToken: String

    static func load(into directory: TestDirectory) throws -> OldVault {
        let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Fixtures")
        let script = try String(
            contentsOf: fixtures.appendingPathComponent("vault-v1.sql"), encoding: .utf8)
        _ = try sqlite(directory.path, script)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let old = try decoder.decode(
            OldVault.self, from: Data(contentsOf: fixtures.appendingPathComponent("vault-v1.json")))
        try Data(old.key.utf8).write(to: URL(fileURLWithPath: directory.keyFile))
        for file in [directory.path, directory.keyFile] {
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        }
        return old
    }

    func open(_ directory: TestDirectory) async throws -> Vault {
        try await Vault.open(
            at: directory.path, unlockedBy: .keyFile(path: directory.keyFile),
            options: VaultOptions(clock: TestClock(madeAtMs + 60_000)))
    }
}

/// A directory of its own, removed with the value.
private final class TestDirectory: Sendable {
    let directory = NSTemporaryDirectory() + "tokenvault-test-" + UUID().uuidString
    var path: String { directory + "/vault" }
    var keyFile: String { directory + "/key" }

    init() throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }
}

@Suite(.bounded) struct `A vault of the first schema` {
    @Test func `opens, keeps its tokens good, and takes everything new`() async throws {
        let directory = try TestDirectory()
        let old = try OldVault.load(into: directory)
        #expect(try sqlite(directory.path, "SELECT max(version) FROM schema_migrations") == "1")
        let vault = try await old.open(directory)
        #expect(try vault.status().schema == 4)
        let access = try #require(try vault.validate(Secret(copying: old.accessToken)))
        #expect(access.scope.text == "basic")
        let client = try vault.client(old.clientId)
        // What was not there yet has its default.
        #expect(client.registration.responseTypes == [.code])
        #expect(client.registration.idTokenAlgorithm == .rs256)
        #expect(client.registration.keySet == nil && !client.registration.mayIntrospect)
        let result = try await vault.exchange(
            ExchangeRequest(
                kind: .refreshToken, credential: Secret(copying: old.refreshToken), client: client,
                channel: .library))
        #expect(result.issued?.generation == 2)
        let user = try vault.user(named: old.user)
        try await vault.rememberConsent(of: user.id, to: client.id, scope: access.scope)
        #expect(try vault.consents(of: user.id).count == 1)
        _ = try await vault.startSession(user: user.id, signedInAt: access.issuedAt, lifetime: .seconds(60))
        try await vault.addSigningKey(
            kid: "a", algorithm: .es256, privateKey: Secret([1]), publicJWK: "{}", retiringCurrent: .zero)
        let report = try await vault.verifyAudit()
        #expect(report.isIntact, "\(report.findings)")
        await vault.close()
        await (try old.open(directory)).close()
    }

    @Test func `is verified as it is, with the public key alone`() async throws {
        let directory = try TestDirectory()
        let old = try OldVault.load(into: directory)
        let copy = try TestDirectory()
        _ = try OldVault.load(into: copy)
        let vault = try await old.open(directory)
        let key = vault.logVerifierKey
        await vault.close()
        #expect(try await Vault.inspect(copy.path, verifierKey: key).isIntact)
        #expect(try sqlite(copy.path, "SELECT max(version) FROM schema_migrations") == "1")
        #expect(try await Vault.inspect(directory.path, verifierKey: key).isIntact)
    }

    @Test func `opened by several at once it is brought up to date once`() async throws {
        let directory = try TestDirectory()
        let old = try OldVault.load(into: directory)
        try await withThrowingTaskGroup(of: Vault.self) { group in
            for _ in 0..<4 { group.addTask { try await old.open(directory) } }
            for try await vault in group {
                #expect(try vault.validate(Secret(copying: old.accessToken)) != nil)
                await vault.close()
            }
        }
        #expect(
            try sqlite(directory.path, "SELECT group_concat(version) FROM schema_migrations") == "1,2,3,4")
    }

    @Test(arguments: ["CREATE TABLE consents (id)", "DROP INDEX grants_by_owner"])
    func `that somebody altered is refused and left at its schema`(_ sql: String) async throws {
        let directory = try TestDirectory()
        let old = try OldVault.load(into: directory)
        _ = try sqlite(directory.path, sql)
        await #expect(throws: VaultError(.schemaChanged, "")) { try await old.open(directory) }
        #expect(try sqlite(directory.path, "SELECT max(version) FROM schema_migrations") == "1")
    }
}
