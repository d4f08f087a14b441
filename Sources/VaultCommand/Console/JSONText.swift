import Foundation
import VaultCore

/// JSON as the command prints it: one line, members sorted, slashes as they are, times in UTC.
enum JSONText {
    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let text: @Sendable (VaultInstant) -> String = { Timestamp($0).description }
        encoder.userInfo[.instantText] = text
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

/// A point of time as printed: RFC 3339, UTC, milliseconds.
struct Timestamp: Encodable, CustomStringConvertible {
    let description: String

    init(_ instant: VaultInstant) {
        description = instant.rfc3339
    }

    func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(description)
    }
}
