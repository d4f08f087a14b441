import Foundation

extension VaultInstant {
    /// RFC 3339, UTC, milliseconds: `2026-09-21T14:13:20.000Z`.
    package var rfc3339: String {
        Date(timeIntervalSince1970: Double(millisecondsSince1970) / 1000)
            .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}

extension Duration {
    /// As people write a span: up to nine digits and `s`, `m`, `h` or `d`. Nil for anything else.
    package init?(spelled text: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        let digits = text.dropLast()
        guard let unit = text.last.flatMap({ units[$0] }), (1...9).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int64(digits)
        else { return nil }
        self = .seconds(count * unit)
    }

    /// Whole seconds, in the largest unit that divides them.
    package var spelled: String {
        let seconds = components.seconds
        for (unit, size) in [("d", Int64(86400)), ("h", 3600), ("m", 60)] where seconds != 0 {
            if seconds.isMultiple(of: size) { return "\(seconds / size)\(unit)" }
        }
        return "\(seconds)s"
    }
}
