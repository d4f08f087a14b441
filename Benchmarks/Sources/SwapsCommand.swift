import ArgumentParser
import CBareLoop
import Foundation
import TokenVault
import VaultCore

/// Swaps on a vault that others made, as one of several processes.
struct SwapsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swaps",
        abstract: "Measure refreshes per second on a vault, and keep its tokens for the next time.")

    @Option(help: "The vault.")
    var vault: String
    @Option(help: "Its key file.")
    var keyFile: String
    @Option(help: "Name or identifier of the client.")
    var client: String
    @Option(help: "Refresh tokens, one a line; the last ones are written back.")
    var tokens: String
    @Option(help: "Number of simultaneous callers.")
    var callers = 64
    @Option(help: "Seconds of the measurement.")
    var seconds = 3.0

    func run() async throws {
        let lines = try String(contentsOfFile: tokens, encoding: .utf8).split(separator: "\n")
        var chains = (0..<callers).map { caller in
            let own = stride(from: caller, to: lines.count, by: callers).map { Array(lines[$0].utf8) }
            return Chains(own, seed: UInt64(caller))
        }
        let opened = try await Vault.open(
            at: VaultPlace(parsing: vault), unlockedBy: .keyFile(path: keyFile))
        let found = try await opened.clients.find(client)
        // Processes that are measured together begin together.
        FileHandle.standardOutput.write(Data("ready\n".utf8))
        _ = readLine()
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        let results = try await withThrowingTaskGroup(of: (Chains, Int).self) { group in
            for chain in chains {
                group.addTask {
                    var chain = chain
                    let swaps = try await chain.swap(opened, found, for: nil, until: end)
                    return (chain, swaps)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let elapsed = start.duration(to: .now) / .seconds(1)
        await opened.close()
        chains = results.map(\.0)
        try Data(chains.flatMap(\.tokens).map { $0 + [10] }.joined()).write(to: URL(fileURLWithPath: tokens))
        print(Double(results.map(\.1).reduce(0, +)) / elapsed)
    }
}

/// The bound of a vault on PostgreSQL.
struct BarePostgresCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bare-postgres",
        abstract: "Measure a bare loop on libpq in a vault's database, which is of no use afterwards.")

    @Argument(help: "What to connect to, in libpq's words.")
    var conninfo: String
    @Option(help: "Swaps of one transaction.")
    var batch = 64
    @Option(help: "Seconds of the measurement.")
    var seconds = 3.0

    func run() throws {
        guard let loop = bare_postgres_open(conninfo) else {
            throw BenchmarkFailure("The bare loop has no libpq: install libpq5.")
        }
        defer { bare_postgres_close(loop) }
        let rate = bare_postgres_run(loop, Int32(batch), seconds)
        guard rate > 0 else {
            throw BenchmarkFailure("The bare loop failed: \(String(cString: bare_postgres_error(loop))).")
        }
        print(rate)
    }
}
