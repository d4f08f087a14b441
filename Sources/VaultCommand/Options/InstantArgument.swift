import ArgumentParser
import Foundation
import VaultCore

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
