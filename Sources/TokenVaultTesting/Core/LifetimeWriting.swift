import VaultCore

extension ScriptedOptions.LifetimeSpelling {
    /// The end of a token as a member of a reply.
    func value(until end: VaultInstant, from now: VaultInstant) -> ReplyTree {
        let milliseconds = end.elapsed(since: now).milliseconds
        let seconds = milliseconds / 1000
        return switch self {
        case .seconds: .number(seconds)
        case .secondsText: .text(String(seconds))
        case .milliseconds: .number(milliseconds)
        case .epochSeconds: .number(end.secondsSince1970)
        case .epochMilliseconds: .number(end.millisecondsSince1970)
        case .iso8601: .text(CivilTime(end).date + "T" + CivilTime(end).time + "Z")
        case .zoneless: .text(CivilTime(end).date + " " + CivilTime(end).time)
        case .days:
            .text("\(seconds / 86400):\(padded(seconds % 86400 / 3600)):\(padded(seconds % 3600 / 60))")
        case .hours: .text("\(seconds / 3600):\(padded(seconds % 3600 / 60)):\(padded(seconds % 60))")
        }
    }
}

/// An instant as people write it, in UTC.
struct CivilTime {
    private let year: Int64
    private let month: Int64
    private let day: Int64
    private let weekday: Int
    /// `HH:MM:SS`.
    let time: String

    init(_ instant: VaultInstant) {
        let seconds = instant.secondsSince1970
        var days = seconds / 86400
        var rest = seconds % 86400
        if rest < 0 { (days, rest) = (days - 1, rest + 86400) }
        time = "\(padded(rest / 3600)):\(padded(rest % 3600 / 60)):\(padded(rest % 60))"
        // 1970-01-01 was a Thursday.
        weekday = Int(((days + 4) % 7 + 7) % 7)
        // The Gregorian calendar repeats every 400 years of 146,097 days; years that begin in March end in the leap day.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// `YYYY-MM-DD`.
    var date: String { "\(year)-\(padded(month))-\(padded(day))" }

    /// `Tue, 24 Nov 2026 15:06:21 GMT` (RFC 9110 section 5.6.7).
    var fixdate: String {
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return "\(days[weekday]), \(padded(day)) \(months[Int(month) - 1]) \(year) \(time) GMT"
    }
}

private func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : String(number) }
