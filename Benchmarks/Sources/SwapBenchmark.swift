import Foundation
import Synchronization
import TokenRotation
import TokenVault
import VaultCore

/// Durable swaps per second: callers who refresh one random grant of theirs after another.
struct SwapBenchmark {
    private let store: PopulatedVault
    private let seconds: Double

    init(_ store: PopulatedVault, _ seconds: Double) {
        self.store = store
        self.seconds = seconds
    }

    func measure(callers: [Int], into report: inout Report) async throws {
        let copy = try store.copy()
        defer { copy.remove() }
        let vault = try await copy.vault.open()
        // Each number of callers has grants of its own: no token is used in two measurements.
        for (turn, count) in callers.enumerated() {
            let share = copy.tokenCount / callers.count
            let commits = vault.statistics.commits
            let bodies = vault.statistics.bodies
            let rate = try await swap(
                vault, copy, tokens: turn * share..<(turn + 1) * share, callers: count)
            report.add(.swaps(grants: store.grants, callers: count), rate)
            report.add(
                .batch(grants: store.grants, callers: count),
                Double(vault.statistics.bodies - bodies) / Double(max(vault.statistics.commits - commits, 1)))
        }
        await vault.close()
        report.add(.memory, ProcessMemory.peakMiB)
    }

    /// Refreshes that name a resource, beside refreshes that name none, in one run.
    func measureResource(into report: inout Report) async throws {
        let copy = try store.copy()
        defer { copy.remove() }
        let vault = try await copy.vault.open()
        let half = copy.tokenCount / 2
        let resource = ResourceIdentifier("https://mcp.example/mcp")
        report.add(
            .swapsForNothing(grants: store.grants),
            try await swap(vault, copy, tokens: 0..<half, callers: 64))
        report.add(
            .swapsForResource(grants: store.grants),
            try await swap(vault, copy, tokens: half..<2 * half, callers: 64, for: resource))
        await vault.close()
    }

    /// Refreshes per second by this number of callers, who share these tokens of the copy among them.
    func swap(
        _ vault: Vault, _ copy: WorkingCopy, tokens: Range<Int>, callers: Int,
        for resource: ResourceIdentifier? = nil
    ) async throws -> Double {
        let client = try await vault.clients.find(PopulatedVault.clientName)
        let chains = (0..<callers).map { caller in
            Chains(
                (0..<tokens.count / callers).map { copy.token(tokens.lowerBound + $0 * callers + caller) },
                seed: UInt64(caller))
        }
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        let swaps = try await withThrowingTaskGroup(of: Int.self) { group in
            for chain in chains {
                group.addTask {
                    var chain = chain
                    return try await chain.swap(vault, client, for: resource, until: end)
                }
            }
            return try await group.reduce(0, +)
        }
        return Double(swaps) / (start.duration(to: .now) / .seconds(1))
    }
}

/// The grants of one caller, each at its newest refresh token.
struct Chains: Sendable {
    private(set) var tokens: [[UInt8]]
    private var random: SplitMix64

    init(_ tokens: [[UInt8]], seed: UInt64) {
        self.tokens = tokens
        random = SplitMix64(seed: seed)
    }

    /// Refreshes random ones of them, one after the other, and returns how often.
    mutating func swap(
        _ vault: Vault, _ client: Client, for resource: ResourceIdentifier?,
        until end: ContinuousClock.Instant
    ) async throws -> Int {
        var swaps = 0
        while ContinuousClock.now < end {
            let index = Int(random.next() % UInt64(tokens.count))
            var request = ExchangeRequest(
                kind: .refreshToken, credential: SecretBytes(tokens[index]), client: client,
                channel: .library)
            request.resource = resource
            guard case .issued(let issued) = try await vault.exchange(request),
                let refreshToken = issued.pair.refreshToken
            else { throw BenchmarkFailure("A refresh was refused.") }
            tokens[index] = refreshToken.withExposed { $0 }
            swaps += 1
        }
        return swaps
    }
}

/// A small generator, seeded: which grants are touched is the same in every run.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// What the kernel says of a process's memory.
enum ProcessMemory {
    static var peakMiB: Double { value("VmHWM", of: "self") }

    static func value(_ name: String, of process: String) -> Double {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }
        return (kibibytes ?? 0) / 1024
    }
}
