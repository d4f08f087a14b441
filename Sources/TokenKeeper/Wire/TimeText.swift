import VaultCore

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
