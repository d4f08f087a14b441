package import VaultCore

/// When something ends, as a provider wrote it.
package enum ExpiryReading: Sendable, Equatable {
    /// Not told, or told in a way that makes no sense: what the entry says holds.
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
