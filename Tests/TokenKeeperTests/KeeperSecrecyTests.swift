import Foundation
import Logging
import Synchronization
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `P5: what a provider gave is not readable at rest, nor in logs, whatever it echoes` {
    @Test func `planted tokens and secrets are nowhere but inside sealed bytes`() async throws {
        let lines = Mutex<[String]>([])
        var logger = Logger(label: "test") { _ in KeptLines { line in lines.withLock { $0.append(line) } } }
        logger.logLevel = .trace
        let bench = try await KeeperBench(KeeperBench.entry(replay: "tolerated"), logger: logger)
        let connection = try await bench.connect(label: "a label of hers")
        var planted = [KeeperBench.options.clientSecret, "a label of hers", "alice"]
        func plant() async throws {
            let pair = try #require(try await bench.vault.heldConnection(connection.id).pair)
            planted += [pair.accessToken, pair.refreshToken].compactMap { $0 }
                .map { $0.withExposed { String(decoding: $0, as: UTF8.self) } }
        }
        try await plant()
        let faults: [ScriptedFault?] = [
            .echo("invalid_request"), nil, .status(500), .page(isDone: true), nil, .truncated,
            .echo("invalid_client"),
            nil, .dropAfter, .errorUnder200("temporarily_unavailable"), nil, .echo("invalid_grant"),
        ]
        var texts: [String] = []
        for fault in faults {
            bench.clock.advance(.seconds(4000))
            if let fault { bench.server.failNext(fault) }
            do {
                texts.append("\(try await bench.keeper.accessToken(for: connection.id))")
            } catch { texts.append("\(error) \(String(reflecting: error))") }
            _ = try? await bench.keeper.resumeProvider("standard")
            try await plant()
        }
        #expect(Set(planted).count > 8, "several pairs were planted")
        let log = lines.withLock { $0.joined(separator: "\n") }
        #expect(log.contains("A provider did not give what was asked for."))
        for secret in Set(planted) where secret.utf8.count > 5 || secret == "alice" {
            #expect(!log.contains(secret), "in the log")
            #expect(!texts.joined().contains(secret), "in an answer or error")
            for suffix in ["", "-wal", "-shm", ".lock", ".ballast"] {
                guard let file = FileManager.default.contents(atPath: bench.directory + "/vault" + suffix)
                else {
                    continue
                }
                #expect(file.range(of: Data(secret.utf8)) == nil, "in vault\(suffix)")
            }
        }
        #expect(try await bench.verify().isIntact)
    }

    @Test(.ofFiles) func `a connection's row that was edited from outside is refused when read`() async throws
    {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        for change in [
            "state = 1, reason = 'x'", "access_expires_at = access_expires_at + 86400000", "owner_id = 1",
            "generation = generation + 1", "provider_id = 99", "due_at = 0", "lease_holder = x'00'",
            "scope = 'admin'",
        ] {
            // A copy, so that each edit is judged alone.
            let bench2 = try await KeeperBench()
            let victim = try await bench2.connect()
            try bench2.edit("UPDATE connections SET \(change) WHERE id = \(victim.id)")
            await #expect(throws: (any Error).self, "\(change)") {
                try await bench2.vault.connection(victim.id)
            }
            let report = try await bench2.vault.log.verify()
            #expect(report.findings.contains { $0.place == "connections \(victim.id)" }, "\(change)")
        }
        #expect(try await bench.vault.connection(connection.id).state == .live)
    }

    @Test(.ofFiles) func `sealed tokens moved to another connection, or back a generation, do not open`()
        async throws
    {
        let bench = try await KeeperBench()
        let first = try await bench.connect(label: "first")
        let second = try await bench.connect(label: "second")
        try bench.edit(
            "UPDATE connections SET pair = (SELECT pair FROM connections WHERE id = \(first.id)) WHERE id = \(second.id)"
        )
        await #expect(throws: VaultError(.integrity, "")) { try await bench.vault.heldConnection(second.id) }
    }
}

extension KeeperBench {
    /// Edits the file as somebody with the `sqlite3` shell would, past foreign keys and all.
    func edit(_ sql: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["sqlite3", directory + "/vault", sql]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(sql)")
    }
}

private struct KeptLines: LogHandler {
    let keep: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(_ keep: @escaping @Sendable (String) -> Void) { self.keep = keep }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { keep("\(event.level) \(event.message) \(event.metadata ?? [:])") }
}
