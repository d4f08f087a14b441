import ArgumentParser
import Foundation

/// Measures the vault through the interface its faces use, beside the bound, in one run.
@main
struct VaultBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault-bench",
        abstract: "Measures swaps, validations and HTTP requests per second, and what bounds them.",
        subcommands: [
            Measure.self, EmptyHandler.self, FramedHandler.self, ProtectedHandler.self, Prepare.self,
            Grow.self, KeeperBenchmark.self, SwapsCommand.self, BarePostgresCommand.self,
        ],
        defaultSubcommand: Measure.self)
}

/// The measurements, a table of them, and the same as JSON.
struct Measure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the benchmarks and print a table.")

    @Option(help: "Sizes of the vaults: numbers of grants, separated by commas.")
    var grants = "20000,1000000"
    @Option(help: "Numbers of simultaneous callers, separated by commas.")
    var callers = "1,16,64,256"
    @Option(help: "Numbers of HTTP connections, separated by commas.")
    var connections = "1,16,64"
    @Option(help: "What to ask for over HTTP, separated by commas; none: everything.")
    var loads: String?
    @Option(help: "Seconds of each measurement.")
    var seconds = 3.0
    @Option(help: "Repetitions; the table shows medians.")
    var runs = 3
    @Option(help: "Where populated vaults are kept between runs; on the disk to be measured.")
    var cache = ".build-release/bench-cache"
    @Option(help: "The tokenvault to serve over HTTP with; none: HTTP is left out.")
    var server: String?
    @Option(help: "Writes the figures to this file.")
    var json: String?
    @Option(help: "Parts to run: swaps, resource, bound, validations, verify, rotation, http.")
    var parts = "swaps,resource,bound,validations,verify,rotation,http"

    func run() async throws {
        let sizes = try Self.numbers(grants)
        let callers = try Self.numbers(callers)
        let parts = Set(parts.split(separator: ",").map(String.init))
        var report = Report()
        for size in sizes {
            let store = try await PopulatedVault.prepare(grants: size, in: cache)
            for run in 1...max(runs, 1) {
                Console.note("run \(run) of \(runs) with \(size) grants")
                if parts.contains("bound") {
                    try BareLoop.measure(store, batches: callers, seconds: seconds, into: &report)
                }
                if parts.contains("swaps") {
                    try await SwapBenchmark(store, seconds).measure(callers: callers, into: &report)
                }
                if parts.contains("resource") {
                    try await SwapBenchmark(store, seconds).measureResource(into: &report)
                }
                if parts.contains("validations") {
                    try await ValidationBenchmark(store, seconds).measure(into: &report)
                }
                if parts.contains("rotation") {
                    try await RotationBenchmark(store, seconds).measure(into: &report)
                }
                if parts.contains("verify") { try await VerifyBenchmark(store).measure(into: &report) }
                if parts.contains("http"), let server, size == sizes.first {
                    try await HTTPBenchmark(
                        store, seconds, connections: try Self.numbers(connections), loads: try httpLoads(),
                        server: server
                    ).measure(into: &report)
                }
            }
        }
        report.printTable(sizes: sizes)
        if let json { try report.write(to: json, sizes: sizes) }
    }

    private func httpLoads() throws -> [HTTPBenchmark.Load] {
        guard let loads else { return HTTPBenchmark.Load.allCases }
        return try loads.split(separator: ",").map { name in
            guard let load = HTTPBenchmark.Load(rawValue: String(name)) else {
                let known = HTTPBenchmark.Load.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("There is no load \(name). There are: \(known)")
            }
            return load
        }
    }

    private static func numbers(_ text: String) throws -> [Int] {
        let numbers = text.split(separator: ",").compactMap { Int($0) }.filter { $0 > 0 }
        guard !numbers.isEmpty else { throw ValidationError("Expected numbers separated by commas: \(text)") }
        return numbers
    }
}

/// Makes the vaults that the measurements copy.
struct Prepare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Populate a vault and keep it for later runs.")

    @Option(help: "Number of grants.")
    var grants = 20_000
    @Option(help: "Where to keep it.")
    var cache = ".build-release/bench-cache"

    func run() async throws {
        _ = try await PopulatedVault.prepare(grants: grants, in: cache)
    }
}

/// Progress goes to stderr: stdout is the table.
enum Console {
    static func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
