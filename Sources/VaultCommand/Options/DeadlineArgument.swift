import ArgumentParser
import Foundation
import VaultCore

/// A point of time on the command line: a span from now (`90d`), a day (`2027-01-31`, its end in UTC), or a time of
/// RFC 3339 (`2027-01-31T12:00:00Z`).
struct DeadlineArgument: ExpressibleByArgument {
    private enum Form {
        case span(Duration)
        case instant(VaultInstant)
    }

    private let form: Form

    init?(argument: String) {
        if let span = DurationArgument(argument: argument) {
            form = .span(span.duration)
        } else if argument.count == 10, let day = Self.date(argument + "T00:00:00Z") {
            form = .instant(day.advanced(by: .seconds(86400)))
        } else if let time = Self.date(argument) {
            form = .instant(time)
        } else {
            return nil
        }
    }

    /// - Parameter now: what a span is counted from.
    func instant(from now: VaultInstant) -> VaultInstant {
        switch form {
        case .span(let span): now.advanced(by: span)
        case .instant(let instant): instant
        }
    }

    private static func date(_ text: String) -> VaultInstant? {
        guard let date = try? Date(text, strategy: Date.ISO8601FormatStyle()) else { return nil }
        return VaultInstant(millisecondsSince1970: Int64((date.timeIntervalSince1970 * 1000).rounded()))
    }
}
