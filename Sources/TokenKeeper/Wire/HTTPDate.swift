package import VaultCore

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

    /// Two digits are of this century: nobody's clock is 30 years late.
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
        guard (1970...9999).contains(year), (1...12).contains(month),
            (1...Self.days(of: month, in: year)).contains(day), (0...23).contains(hour),
            (0...59).contains(minute), (0...60).contains(second), (0...999).contains(milliseconds)
        else { return nil }
        let seconds = Self.days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
        instant = VaultInstant(millisecondsSince1970: seconds * 1000 + milliseconds)
    }

    private static func days(of month: Int64, in year: Int64) -> Int64 {
        switch month {
        case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01: years are counted from March, so that the leap day is the last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    }
}
