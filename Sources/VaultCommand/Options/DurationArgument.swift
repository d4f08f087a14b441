import ArgumentParser

/// A span of time on the command line: a whole number and its unit, as in `30s`, `10m`, `24h`, `30d`.
struct DurationArgument: ExpressibleByArgument, Equatable {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let unit = argument.last, let seconds = Self.units[unit] else { return nil }
        let digits = argument.dropLast()
        guard (1...9).contains(digits.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(digits)
        else { return nil }
        duration = .seconds(count * seconds)
    }

    private static let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]

    /// In the largest unit that divides it.
    var defaultValueDescription: String {
        let seconds = duration.components.seconds
        for (unit, size) in [("d", Int64(86400)), ("h", 3600), ("m", 60)] where seconds != 0 {
            if seconds.isMultiple(of: size) { return "\(seconds / size)\(unit)" }
        }
        return "\(seconds)s"
    }
}
