import ArgumentParser
import Foundation
import VaultCore

/// Times as a report shows them, UTC, and as its options take them.
enum Moment {
    /// `2026-11-24 18:40:12`.
    static func long(_ instant: VaultInstant) -> String {
        String(Timestamp(instant).description.prefix(19)).replacing("T", with: " ")
    }

    /// `24 Nov 18:40`, and the seconds where a bar is less than a minute.
    static func short(_ instant: VaultInstant, within span: Duration) -> String {
        let text = Timestamp(instant).description
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let month = Int(text.dropFirst(5).prefix(2)), months.indices.contains(month - 1) else {
            return text
        }
        return
            "\(text.dropFirst(8).prefix(2)) \(months[month - 1]) \(text.dropFirst(11).prefix(span < .seconds(60) ? 8 : 5))"
    }

    /// `5 minutes`, `1 day`.
    static func span(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        for (unit, name) in [(86_400 as Int64, "day"), (3600, "hour"), (60, "minute")] where seconds >= unit {
            return seconds / unit == 1 ? "1 \(name)" : "\(seconds / unit) \(name)s"
        }
        return seconds == 1 ? "1 second" : "\(seconds) seconds"
    }
}

/// `2026-11-24` or `2026-11-24T18:00:00Z`: a day begins at midnight UTC.
struct MomentArgument: ExpressibleByArgument {
    let instant: VaultInstant

    init?(argument: String) {
        let pattern = /(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2}))?Z)?/
        guard argument.utf8.count <= 32, let match = argument.wholeMatch(of: pattern) else { return nil }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        func number(_ text: Substring?) -> Int { text.flatMap { Int($0) } ?? 0 }
        let parts = DateComponents(
            calendar: calendar, year: number(match.1), month: number(match.2), day: number(match.3),
            hour: number(match.4), minute: number(match.5), second: number(match.6))
        // Not every spelling is a day: there is no 31 February.
        guard parts.isValidDate, let date = parts.date else { return nil }
        instant = VaultInstant(millisecondsSince1970: Int64(date.timeIntervalSince1970) * 1000)
    }
}
