/// Numbers as a row of bars, the largest as high as the line.
enum Sparkline {
    private static let bars = Array("▁▂▃▄▅▆▇█")

    /// One character a number; a dot for none at all, so that little is told apart from nothing.
    static func text(_ numbers: [Int64]) -> String {
        let largest = max(1, numbers.max() ?? 1)
        return String(
            numbers.map { number in
                guard number > 0 else { return "·" }
                let share = Double(number) / Double(largest) * Double(bars.count)
                return bars[min(bars.count - 1, max(0, Int(share.rounded(.up)) - 1))]
            })
    }
}
