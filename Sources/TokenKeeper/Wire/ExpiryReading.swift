import Foundation
package import VaultCore

/// When something ends, as a provider wrote it.
package enum ExpiryReading: Sendable, Equatable {
    /// The reply has no lifetime, or an unreadable one: the entry's default holds.
    case absent
    /// 0, which providers write for "does not expire".
    case never
    /// On our clock.
    case at(VaultInstant)

    /// A span or a time further off than this is meant to be for ever.
    static let longest = Duration.seconds(36525 * 86400)

    /// Reads a member of a reply.
    ///
    /// - Parameters:
    ///   - value: A number or a string; anything else is ``absent``, as is a negative span.
    ///   - serverAhead: The server's clock minus ours: times of the server's clock are moved by it, spans are not.
    static func read(
        _ value: JSONValue?, as form: Provider.ExpiryRules.Form, at now: VaultInstant,
        serverAhead: Duration = .zero
    ) -> ExpiryReading {
        // Nothing that names a time is longer.
        guard let text = value?.text, text.utf8.count <= 64 else { return .absent }
        let word = String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        let number = Self.number(word)
        switch form {
        case .seconds: return span(number, unit: 1000, from: now)
        case .milliseconds: return span(number, unit: 1, from: now)
        case .instant: return instant(word, number, now, serverAhead)
        case .clock: return clock(word, from: now, days: false)
        case .dayClock: return clock(word, from: now, days: true)
        case .any:
            // No token lives 30 years from now, and no clock is before 2001.
            if let number, number < 1e9 { return span(number, unit: 1000, from: now) }
            let time = clock(word, from: now, days: false)
            return time == .absent ? instant(word, number, now, serverAhead) : time
        }
    }

    private static func span(_ number: Double?, unit: Double, from now: VaultInstant) -> ExpiryReading {
        guard let number, number >= 0 else { return .absent }
        if number == 0 { return .never }
        let milliseconds = min(number * unit, Double(longest.milliseconds)).rounded(.down)
        return .at(now.advanced(by: .milliseconds(Int64(milliseconds))))
    }

    private static func instant(
        _ word: String, _ number: Double?, _ now: VaultInstant, _ serverAhead: Duration
    ) -> ExpiryReading {
        var instant: VaultInstant
        if let number {
            guard number >= 0 else { return .absent }
            if number == 0 { return .never }
            // 10^11 is the year 5138 in seconds and 1973 in milliseconds.
            let milliseconds = number < 1e11 ? number * 1000 : number
            instant = VaultInstant(millisecondsSince1970: Int64(min(milliseconds, 1e15)))
        } else {
            guard let time = TimeText.read(word) else { return .absent }
            instant = time
        }
        instant = instant.advanced(by: .zero - serverAhead)
        return .at(min(instant, now.advanced(by: longest)))
    }

    /// Three numbers with colons: `HHH:MM:SS`, or `D:HH:MM`.
    private static func clock(_ word: String, from now: VaultInstant, days: Bool) -> ExpiryReading {
        let parts = word.split(separator: ":", omittingEmptySubsequences: false).map { UInt64($0) }
        guard parts.count == 3, let first = parts[0], let second = parts[1], let third = parts[2],
            word.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }), second < (days ? 24 : 60), third < 60
        else { return .absent }
        let units: (Double, Double, Double) = days ? (86400, 3600, 60) : (3600, 60, 1)
        return span(
            Double(first) * units.0 + Double(second) * units.1 + Double(third) * units.2, unit: 1000,
            from: now)
    }

    /// Decimal digits alone: `Double` would take `nan`, `inf` and hexadecimal too.
    private static func number(_ text: String) -> Double? {
        guard !text.isEmpty, text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }) else { return nil }
        return Double(text)
    }
}

/// Times of HTTP (RFC 9110 section 5.6.7): the one form that is sent today and the two that "MUST be accepted".
package enum HTTPDate {
    /// Nil for anything else.
    package static func read(_ text: String) -> VaultInstant? {
        // Nothing that names a time is longer.
        guard text.utf8.count <= 40 else { return nil }
        let words = text.split { $0 == " " || $0 == "-" || $0 == "," }.map(String.init)
        switch words.count {
        // Sun, 06 Nov 1994 08:49:37 GMT, and Sunday, 06-Nov-94 08:49:37 GMT
        // and with another word for the zone, which RFC 5322 has and some servers write.
        case 6 where ["GMT", "UTC", "+0000"].contains(words[5]):
            guard let day = Int64(words[1]), let month = month(words[2]), let year = year(words[3]) else {
                return nil
            }
            return instant(year, month, day, words[4])
        // Sun Nov  6 08:49:37 1994
        case 5:
            guard let month = month(words[1]), let day = Int64(words[2]), let year = Int64(words[4]) else {
                return nil
            }
            return instant(year, month, day, words[3])
        default: return nil
        }
    }

    private static func instant(_ year: Int64, _ month: Int64, _ day: Int64, _ time: String) -> VaultInstant?
    {
        let parts = time.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        guard parts.count == 3, let hour = parts[0], let minute = parts[1], let second = parts[2] else {
            return nil
        }
        return CivilTime(year: year, month: month, day: day, hour: hour, minute: minute, second: second)?
            .instant
    }

    private static func month(_ name: String) -> Int64? {
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return names.firstIndex(of: name).map { Int64($0) + 1 }
    }

    /// Two digits are of this century: no clock is 30 years late.
    private static func year(_ text: String) -> Int64? {
        Int64(text).map { text.utf8.count == 2 ? 2000 + $0 : $0 }
    }
}

/// Year, month, day and time of day in UTC, with the calendar's rules checked.
struct CivilTime {
    let instant: VaultInstant

    init?(
        year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64, second: Int64,
        milliseconds: Int64 = 0
    ) {
        guard (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day),
            (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second),
            (0...999).contains(milliseconds)
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (Int32(year - 1900), Int32(month - 1), Int32(day))
        let midnight = timegm(&parts)
        // A day that the month does not have became one of the next.
        guard parts.tm_mday == Int32(day) else { return nil }
        let seconds = Int64(midnight) + hour * 3600 + minute * 60 + second
        instant = VaultInstant(millisecondsSince1970: seconds * 1000 + milliseconds)
    }
}

/// A time in words of digits: ISO 8601 with a date and a time of day, or the same with a space in the middle.
/// `2018-08-08T02:41:19Z`, `2018-08-08T02:41:19.5+02:00`, `2018-08-08 02:41:19`: without a zone it is UTC.
enum TimeText {
    /// Nil for anything else.
    static func read(_ text: String) -> VaultInstant? {
        guard
            let match = text.wholeMatch(
                of: /(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? ?(Z|UTC|[+-]\d\d:?\d\d)?/)
        else { return nil }
        let (_, year, month, day, hour, minute, second, fraction, zone) = match.output
        let milliseconds = fraction.map { ($0 + "00").prefix(3) } ?? "0"
        guard let year = Int64(year), let month = Int64(month), let day = Int64(day), let hour = Int64(hour),
            let minute = Int64(minute), let second = Int64(second), let milliseconds = Int64(milliseconds),
            let offset = offset(zone),
            let time = CivilTime(
                year: year, month: month, day: day, hour: hour, minute: minute, second: second,
                milliseconds: milliseconds)
        else { return nil }
        return time.instant.advanced(by: .zero - offset)
    }

    /// How far the zone's clocks are ahead of UTC.
    private static func offset(_ zone: Substring?) -> Duration? {
        guard let zone, let sign = zone.first, sign == "+" || sign == "-" else { return .zero }
        let digits = zone.dropFirst().filter { $0 != ":" }
        guard let hours = Int64(digits.prefix(2)), let minutes = Int64(digits.suffix(2)), hours < 24,
            minutes < 60
        else { return nil }
        return .seconds((sign == "+" ? 1 : -1) * (hours * 3600 + minutes * 60))
    }
}
