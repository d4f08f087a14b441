import Foundation

/// A strict reader of the text format of Prometheus: what a scraper might shrug at is an error here.
struct MetricsText {
    struct Refused: Error { let line: String }
    struct Sample: Hashable {
        let name: String
        let labels: [String: String]
    }

    private(set) var types: [String: String] = [:]
    private(set) var samples: [Sample: Double] = [:]

    init(parsing text: String) throws {
        guard text.hasSuffix("\n") else { throw Refused(line: "no end of the last line") }
        var family = ""
        var helped: Set<String> = []
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        {
            if let match = line.wholeMatch(of: /# HELP ([a-z_]+) (\S.*)/) {
                // One family in one place, with its help first.
                guard helped.insert(String(match.1)).inserted else { throw Refused(line: line) }
                family = String(match.1)
            } else if let match = line.wholeMatch(of: /# TYPE ([a-z_]+) (counter|gauge|histogram)/) {
                guard match.1 == family, types[family] == nil else { throw Refused(line: line) }
                types[family] = String(match.2)
            } else if let match = line.wholeMatch(of: /([a-z_]+)(?:\{(.*)\})? (\S+)/) {
                let base = types[family] == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
                guard base.contains(where: { family + $0 == match.1 }), let value = Double(match.3) else {
                    throw Refused(line: line)
                }
                let sample = Sample(
                    name: String(match.1), labels: try Self.labels(match.2.map(String.init) ?? "", line))
                guard samples.updateValue(value, forKey: sample) == nil else { throw Refused(line: line) }
            } else {
                throw Refused(line: line)
            }
        }
        try checkHistograms()
    }

    /// The value, 0 where it is not there yet.
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double {
        samples[Sample(name: name, labels: labels)] ?? 0
    }

    private static func labels(_ text: String, _ line: String) throws -> [String: String] {
        var labels: [String: String] = [:]
        var rest = text[...]
        while !rest.isEmpty {
            guard let match = rest.prefixMatch(of: /([a-z_]+)="((?:[^"\\]|\\["\\n])*)"(,|$)/),
                labels.updateValue(String(match.2), forKey: String(match.1)) == nil
            else { throw Refused(line: line) }
            rest = rest[match.range.upperBound...]
        }
        return labels
    }

    /// Buckets only rise, and the last holds everything.
    private func checkHistograms() throws {
        for (sample, count) in samples where sample.name.hasSuffix("_count") {
            let name = String(sample.name.dropLast("_count".count))
            let buckets = samples.filter { bucket, _ in
                bucket.name == name + "_bucket" && bucket.labels.filter { $0.key != "le" } == sample.labels
            }
            let rising = buckets.map { ($0.key.labels["le"].flatMap(Double.init) ?? .infinity, $0.value) }
                .sorted { $0.0 < $1.0 }.map(\.1)
            guard rising == rising.sorted(), rising.last == count, rising.count > 2,
                buckets.contains(where: { $0.key.labels["le"] == "+Inf" })
            else { throw Refused(line: name) }
        }
    }
}
