/// Values counted by upper bound, with their sum: what a histogram of Prometheus shows.
package struct Histogram: Sendable {
    /// Upper bounds, ascending; one more count is for what lies above the last.
    package let bounds: [Double]
    /// Values at or below each bound and above the one before it.
    package private(set) var counts: [Int]
    package private(set) var sum = 0.0

    package init(_ bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    package mutating func record(_ value: Double) {
        // A dozen bounds: a search would be no faster than this.
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    /// From half a millisecond to ten seconds: a commit takes about one, a deadline five.
    package static let seconds = Histogram([
        0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2.5, 5, 10,
    ])
}

extension Duration {
    /// As the unit of Prometheus.
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
