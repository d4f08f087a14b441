import Foundation

/// What was measured, by name; a name measured again adds to its runs.
struct Report {
    /// One quantity.
    enum Quantity: Hashable {
        case swaps(grants: Int, callers: Int)
        case batch(grants: Int, callers: Int)
        case bound(grants: Int, batch: Int)
        case validations(grants: Int, threads: Int)
        case verified(grants: Int)
        case verifiedSince(grants: Int)
        case rewrapped(grants: Int)
        case swapsAlone(grants: Int)
        case swapsWhileRotating(grants: Int)
        case swapsForNothing(grants: Int)
        case swapsForResource(grants: Int)
        case syncs
        case memory
        case http(HTTPBenchmark.Load, connections: Int)
        case keeper(String)
        case serverMemory
        case serverTime(HTTPBenchmark.Load, connections: Int)

        var name: String {
            switch self {
            case .swaps(let grants, let callers): "swaps/s, \(grants) grants, \(callers) callers"
            case .batch(let grants, let callers): "swaps per commit, \(grants) grants, \(callers) callers"
            case .bound(let grants, let batch): "bare loop/s, \(grants) grants, batches of \(batch)"
            case .validations(let grants, let threads): "validations/s, \(grants) grants, \(threads) threads"
            case .verified(let grants): "entries verified/s, with all rows, \(grants) grants"
            case .verifiedSince(let grants): "ms to verify from the newest checkpoint on, \(grants) grants"
            case .rewrapped(let grants): "owners/s of a root key's rotation, \(grants) grants"
            case .swapsAlone(let grants): "swaps/s before it, \(grants) grants, 64 callers"
            case .swapsWhileRotating(let grants): "swaps/s while it runs, \(grants) grants, 64 callers"
            case .swapsForNothing(let grants): "swaps/s without a resource, \(grants) grants, 64 callers"
            case .swapsForResource(let grants): "swaps/s for a resource, \(grants) grants, 64 callers"
            case .syncs: "fdatasync/s of 4 KiB"
            case .memory: "MiB, peak of this process with its tokens"
            case .http(let load, let connections): "HTTP \(load.rawValue)/s, \(connections) connections"
            case .keeper(let what): what
            case .serverMemory: "MiB, peak of serve under load"
            case .serverTime(let load, let connections):
                "HTTP \(load.rawValue), microseconds of the server's processors each, \(connections) connections"
            }
        }
    }

    private var runs: [Quantity: [Double]] = [:]
    private var order: [Quantity] = []

    mutating func add(_ quantity: Quantity, _ value: Double) {
        if runs[quantity] == nil { order.append(quantity) }
        runs[quantity, default: []].append(value)
        Console.note("  \(quantity.name): \(Self.format(value))")
    }

    func median(_ quantity: Quantity) -> Double? {
        guard let values = runs[quantity]?.sorted(), !values.isEmpty else { return nil }
        return values[values.count / 2]
    }

    func printTable(sizes: [Int]) {
        print("| measured | median | runs |\n| --- | ---: | --- |")
        for quantity in order {
            let all = (runs[quantity] ?? []).map(Self.format).joined(separator: " ")
            print("| \(quantity.name) | \(Self.format(median(quantity) ?? 0)) | \(all) |")
        }
        print("\n| ratio | wanted | reached | |\n| --- | ---: | ---: | --- |")
        for target in Target.all(sizes: sizes) {
            guard let reached = target.reached(self) else { continue }
            let verdict = target.isMet(by: reached) ? "met" : "not met"
            print("| \(target.name) | \(target.bound) | \(Self.format(reached)) | \(verdict) |")
        }
    }

    func write(to path: String, sizes: [Int]) throws {
        let quantities = order.map { quantity in
            Row(name: quantity.name, median: median(quantity) ?? 0, runs: runs[quantity] ?? [])
        }
        let targets = Target.all(sizes: sizes).compactMap { target in
            target.reached(self).map {
                Verdict(name: target.name, wanted: target.bound, reached: $0, met: target.isMet(by: $0))
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(Document(measured: quantities, targets: targets)).write(
            to: URL(fileURLWithPath: path))
    }

    /// The ratio of two quantities, run by run, then the median: what disturbs a run disturbs both.
    func ratio(_ numerator: Quantity, _ denominator: Quantity) -> Double? {
        guard let upper = runs[numerator], let lower = runs[denominator], !upper.isEmpty, !lower.isEmpty
        else {
            return nil
        }
        if upper.count == lower.count { return zip(upper, lower).map { $0 / $1 }.sorted()[upper.count / 2] }
        return median(numerator).flatMap { value in median(denominator).map { value / $0 } }
    }

    private static func format(_ value: Double) -> String {
        value >= 100 ? String(Int(value.rounded())) : String(format: "%.2f", value)
    }

    private struct Row: Encodable {
        let name: String
        let median: Double
        let runs: [Double]
    }

    private struct Verdict: Encodable {
        let name: String
        let wanted: String
        let reached: Double
        let met: Bool
    }

    private struct Document: Encodable {
        let measured: [Row]
        let targets: [Verdict]
    }
}
