import TokenVault

/// Writes the text format of Prometheus, version 0.0.4: what `/metrics` answers.
struct MetricsText {
    typealias Labels = KeyValuePairs<String, String>

    static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    mutating func gauge(_ name: String, _ help: String, _ value: Double?) {
        guard let value else { return }
        head(name, "gauge", help)
        sample(name, [:], Self.number(value))
    }

    /// A counter of time.
    mutating func seconds(_ name: String, _ help: String, _ value: Double?) {
        guard let value else { return }
        head(name, "counter", help)
        sample(name, [:], Self.number(value))
    }

    mutating func counter(_ name: String, _ help: String, _ value: Int) {
        counters(name, help, [([:], value)])
    }

    mutating func counters(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Int)]) {
        head(name, "counter", help)
        for (labels, value) in samples { sample(name, labels, String(value)) }
    }

    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        histograms(name, help, [([:], histogram)])
    }

    mutating func histograms(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Histogram)])
    {
        head(name, "histogram", help)
        for (labels, histogram) in samples {
            var total = 0
            for (index, count) in histogram.counts.enumerated() {
                total += count
                let bound = index < histogram.bounds.count ? Self.number(histogram.bounds[index]) : "+Inf"
                sample(name + "_bucket", labels, String(total), bound: bound)
            }
            sample(name + "_sum", labels, Self.number(histogram.sum))
            sample(name + "_count", labels, String(total))
        }
    }

    private mutating func head(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(type)\n"
    }

    private mutating func sample(_ name: String, _ labels: Labels, _ value: String, bound: String? = nil) {
        var pairs = labels.map { "\($0)=\"\(Self.escaped($1, inLabel: true))\"" }
        if let bound { pairs.append("le=\"\(bound)\"") }
        text += name + (pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}") + " \(value)\n"
    }

    private static func escaped(_ text: String, inLabel: Bool = false) -> String {
        let result = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        return inLabel ? result.replacing("\"", with: "\\\"") : result
    }

    /// Whole numbers without a fraction: that is what most of them are.
    private static func number(_ value: Double) -> String {
        value.rounded() == value && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}
