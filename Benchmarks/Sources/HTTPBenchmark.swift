import Foundation
import TokenVault
import VaultCore

/// Requests per second over HTTP, server and load generator being processes of their own.
struct HTTPBenchmark {
    /// What the load consists of.
    enum Load: String {
        case refresh
        case clientCredentials = "client_credentials"
        /// The same server, whole, with a handler that only says it is alive.
        case empty = "empty handler"
        /// Hummingbird alone: no access log, no limits, no request ids.
        case bare = "bare server"
    }

    private let store: PopulatedVault
    private let seconds: Double
    private let server: String
    private let connections: [Int]
    private static let emptyPort = 4587

    init(_ store: PopulatedVault, _ seconds: Double, connections: [Int], server: String) {
        self.connections = connections
        self.store = store
        self.seconds = seconds
        self.server = server
    }

    func measure(into report: inout Report) async throws {
        let copy = try store.copy()
        defer { copy.remove() }
        let (basic, credentialsBody) = try await credentials(copy)
        let ready = copy.vault.directory + "/ready"
        let process = try Self.start(
            server,
            [
                "serve", "--listen", "127.0.0.1:0", "--ready-file", ready, "--vault", copy.vault.vaultPath,
                "--key-file", copy.vault.keyPath,
            ])
        defer { Self.stop(process) }
        let url = try await Self.url(in: ready)
        var first = 0
        for count in connections {
            // wrk sends a few more than it has connections.
            let tokens = copy.vault.directory + "/wrk-tokens"
            let lines = (first..<first + count + 8).map { String(decoding: copy.token($0), as: UTF8.self) }
            first += count + 8
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: tokens))
            try measure(.refresh, count, process, into: &report) {
                try wrk(count, Self.script("rotate"), url + "/oauth2/token", [tokens, basic, "1"])
            }
        }
        for count in connections {
            try measure(.clientCredentials, count, process, into: &report) {
                try wrk(
                    count, Self.script("same"), url + "/oauth2/token",
                    [credentialsBody, basic, "access_token"])
            }
        }
        for count in connections {
            try measure(.empty, count, process, into: &report) {
                try wrk(count, Self.script("same"), url + "/health/live", ["-", basic, ""])
            }
        }
        report.add(.serverMemory, ProcessMemory.value("VmHWM", of: String(process.processIdentifier)))
        Self.stop(process)

        let empty = try Self.start(
            CommandLine.arguments[0], ["empty-handler", "--port", String(Self.emptyPort)])
        defer { Self.stop(empty) }
        let emptyURL = "http://127.0.0.1:\(Self.emptyPort)/oauth2/token"
        try await Self.waitUntilAnswering(emptyURL)
        for count in connections {
            report.add(
                .http(.bare, connections: count),
                try wrk(count, Self.script("same"), emptyURL, [credentialsBody, basic, "refresh_token"]))
        }
    }

    /// Requests per second, and what each cost the server's processors: the latter hardly depends on who else is busy.
    private func measure(
        _ load: Load, _ count: Int, _ process: Process, into report: inout Report, _ run: () throws -> Double
    ) throws {
        let before = ProcessTime.seconds(of: process.processIdentifier)
        let rate = try run()
        let spent = ProcessTime.seconds(of: process.processIdentifier) - before
        report.add(.http(load, connections: count), rate)
        report.add(.serverTime(load, connections: count), spent / (rate * seconds.rounded(.up)) * 1_000_000)
    }

    private func wrk(_ connections: Int, _ script: String, _ url: String, _ arguments: [String]) throws
        -> Double
    {
        let output = try Self.run(
            "wrk",
            ["-t1", "-c\(connections)", "-d\(Int(seconds.rounded(.up)))s", "-s", script, url, "--"]
                + arguments)
        guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("RESULT\t") }) else {
            throw BenchmarkFailure("wrk printed no result: \(output)")
        }
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
        guard fields.count > 6, let rate = Double(fields[1]), fields[5] == "0", fields[6] == "0" else {
            throw BenchmarkFailure("Not every request succeeded: \(line)")
        }
        return rate
    }

    private func credentials(_ copy: WorkingCopy) async throws -> (basic: String, body: String) {
        let vault = try await copy.vault.open()
        let client = try vault.client(PopulatedVault.clientName)
        let secret = try await vault.rotateSecret(ofClient: client.clientID, overlap: .zero).secret
        await vault.close()
        guard let secret else { throw BenchmarkFailure("The client has no secret.") }
        let pair = Data((client.clientID + ":").utf8) + secret.withExposed { Data($0) }
        return (pair.base64EncodedString(), "grant_type=client_credentials&scope=basic")
    }

    private static func script(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("wrk/\(name).lua").path
    }
}
