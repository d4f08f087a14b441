import ArgumentParser
import Foundation
import VaultCore

/// A span of time on the command line: a whole number and its unit, as in `30s`, `10m`, `24h`, `30d`.
struct DurationArgument: ExpressibleByArgument, Equatable {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = Duration(spelled: argument) else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { duration.spelled }
}

/// A point of time on the command line: `2026-11-24` (its beginning, in UTC) or `2026-11-24T18:30:00Z`.
struct InstantArgument: ExpressibleByArgument {
    let instant: VaultInstant

    init?(argument: String) {
        let styles = [
            Date.ISO8601FormatStyle().year().month().day(), Date.ISO8601FormatStyle(),
            Date.ISO8601FormatStyle(includingFractionalSeconds: true),
        ]
        for style in styles {
            // A style takes a text that merely begins well, too: what it reads must be what was written.
            guard let date = try? style.parse(argument), date.formatted(style) == argument else { continue }
            instant = VaultInstant(
                millisecondsSince1970: Int64((date.timeIntervalSince1970 * 1000).rounded()))
            return
        }
        return nil
    }
}

/// A point of time on the command line: a span from now (`90d`), a day (`2027-01-31`, its end in UTC), or a time of
/// RFC 3339 (`2027-01-31T12:00:00Z`).
struct DeadlineArgument: ExpressibleByArgument {
    /// From `start`, or from when the command runs where that is nil.
    private let span: Duration
    private let start: VaultInstant?

    init?(argument: String) {
        if let span = DurationArgument(argument: argument) {
            (self.span, start) = (span.duration, nil)
        } else if let time = InstantArgument(argument: argument) {
            (span, start) = (.seconds(argument.count == 10 ? 86400 : 0), time.instant)
        } else {
            return nil
        }
    }

    /// - Parameter now: what a span is counted from.
    func instant(from now: VaultInstant) -> VaultInstant { (start ?? now).advanced(by: span) }
}
