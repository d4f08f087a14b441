import Foundation
import TokenVault
import VaultCore

/// Requests per second over HTTP, server and load generator being processes of their own.
struct HTTPBenchmark {
    /// What the load consists of.
    enum Load: String, CaseIterable {
        case refresh
        case clientCredentials = "client_credentials"
        case authorizationCode = "authorization_code"
        case introspection
        /// A host's own route behind the bearer middleware, in a process of its own.
        case bearer = "bearer route"
        /// The same server, whole, with a handler that only says it is alive.
        case empty = "empty handler"
        /// The same server around a handler that takes the requests of `refresh` and answers as long as it does.
        case sameRequests = "empty handler with the same requests"
        /// Hummingbird alone: no access log, no limits, no request ids.
        case bare = "bare server"
    }

    private let store: PopulatedVault
    private let seconds: Double
    private let server: String
    let connections: [Int]
    let loads: [Load]

    init(
        _ store: PopulatedVault, _ seconds: Double, connections: [Int], loads: [Load], server: String
    ) {
        self.connections = connections
        self.loads = loads
        self.store = store
        self.seconds = seconds
        self.server = server
    }

    func measure(into report: inout Report) async throws {
        let copy = try store.copy()
        defer { copy.remove() }
        var material = try await HTTPMaterial(copy)
        let ready = copy.vault.directory + "/ready"
        let serve = try Self.start(
            server,
            [
                "serve", "--listen", "127.0.0.1:0", "--ready-file", ready, "--vault", copy.vault.vaultPath,
                "--key-file", copy.vault.keyPath,
            ])
        defer { Self.stop(serve) }
        let url = try await Self.url(in: ready)
        let answer = try material.answer(of: url + "/oauth2/token")
        for load in loads where !Self.ofHandlers.contains(load) {
            for count in connections {
                let arguments = try await arguments(load, count, url, &material)
                try measure(load, count, serve, into: &report) { try wrk(count, arguments) }
            }
        }
        report.add(.serverMemory, ProcessMemory.value("VmHWM", of: String(serve.processIdentifier)))
        Self.stop(serve)
        await material.close()
        try await measureHandlers(copy, &material, answer, into: &report)
    }

    /// Script, URL and arguments of wrk.
    private func arguments(
        _ load: Load, _ count: Int, _ url: String, _ material: inout HTTPMaterial
    ) async throws -> [String] {
        let token = url + "/oauth2/token"
        return switch load {
        case .refresh: try rotation(token, count, &material)
        case .authorizationCode:
            [
                Self.script("once"), token, "--",
                try await material.codes(Int(Double(min(30_000, 6_000 * count)) * seconds)), material.basic,
                HTTPMaterial.encodedRedirectURI,
            ]
        case .introspection:
            [
                Self.script("same"), url + "/oauth2/introspect", "--", "token=" + material.accessToken,
                material.basic, #""active":true"#,
            ]
        case .empty: [Self.script("same"), url + "/health/live", "--", "-", material.basic, ""]
        default: [Self.script("same"), token, "--", material.form, material.basic, "access_token"]
        }
    }

    /// Every connection refreshes a token of its own.
    func rotation(_ url: String, _ count: Int, _ material: inout HTTPMaterial) throws -> [String] {
        // wrk sends a few more than it has connections.
        [Self.script("rotate"), url, "--", try material.refreshTokens(count + 8), material.basic]
    }

    /// Requests per second, and what each cost the server's processors: the latter hardly depends on who else is busy.
    func measure(
        _ load: Load, _ count: Int, _ process: Process, into report: inout Report, _ run: () throws -> Double
    ) throws {
        let before = ProcessTime.seconds(of: process.processIdentifier)
        let rate = try run()
        let spent = ProcessTime.seconds(of: process.processIdentifier) - before
        report.add(.http(load, connections: count), rate)
        report.add(.serverTime(load, connections: count), spent / (rate * seconds.rounded(.up)) * 1_000_000)
    }

    func wrk(_ connections: Int, _ arguments: [String]) throws -> Double {
        let duration = Int(seconds.rounded(.up))
        let output = try Self.run("wrk", ["-t1", "-c\(connections)", "-d\(duration)s", "-s"] + arguments)
        guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("RESULT\t") }) else {
            throw BenchmarkFailure("wrk printed no result: \(output)")
        }
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
        guard fields.count > 6, let rate = Double(fields[1]), fields[5] == "0", fields[6] == "0" else {
            throw BenchmarkFailure("Not every request succeeded: \(line)")
        }
        return rate
    }

    static func script(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("wrk/\(name).lua").path
    }
}
