import VaultCore

/// Text of a provider made fit for an operator's eyes: bounded, without control characters, without secrets.
///
/// Providers echo what they were sent (Fitbit puts the refresh token into its message), plain or encoded once more.
/// So every spelling of every secret that was sent is masked, and whatever else looks like a token.
struct Diagnostic {
    static let length = 200
    private static let redacted = "<redacted>"
    /// Longer text is left out, not cut: half a secret would not be found.
    private static let readableBytes = 4 * 1024

    private let needles: [[UInt8]]

    /// - Parameter secrets: what must not be seen.
    init(masking secrets: [SecretBytes]) {
        needles = secrets.flatMap { $0.withExposed(SecretSpellings.needles) }
    }

    /// The first ``length`` characters, each of one scalar.
    static func bounded(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(length)))
    }

    /// What may be shown of a provider's own text.
    func scrubbed(_ text: String?) -> String {
        guard let text, text.utf8.count <= Self.readableBytes else { return "" }
        let bytes = Array(Self.visible(text).utf8)
        var mask = [Bool](repeating: false, count: bytes.count)
        maskTokenLikeRuns(of: bytes, in: &mask)
        for view in DecodedView.all(of: bytes) {
            for needle in needles {
                for match in view.matches(of: needle) {
                    for place in match { mask[place] = true }
                }
            }
        }
        return Self.rendered(bytes, Self.widened(mask, over: bytes))
    }

    /// Without what has no glyph of its own: controls, direction marks, separators of lines.
    private static func visible(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar.properties.isWhitespace {
                scalars.append(" ")
                continue
            }
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned: break
            default: scalars.append(scalar)
            }
        }
        return String(scalars).split(separator: " ").joined(separator: " ")
    }

    /// A word of a human language is shorter; numbers of errors (`AADSTS700082`) too.
    private func maskTokenLikeRuns(of bytes: [UInt8], in mask: inout [Bool]) {
        var start = 0
        for end in 0...bytes.count where end == bytes.count || !Self.isOfToken(bytes[end]) {
            let run = bytes[start..<end]
            let hasDigit = run.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            if run.count >= 24 || (run.count >= 16 && hasDigit) {
                for place in run.indices { mask[place] = true }
            }
            start = end + 1
        }
    }

    /// A match takes the rest of its word with it: what was cut off or stands before it belongs to the secret.
    private static func widened(_ mask: [Bool], over bytes: [UInt8]) -> [Bool] {
        var mask = mask
        for place in mask.indices.dropFirst()
        where mask[place - 1] && isOfToken(bytes[place]) && isOfToken(bytes[place - 1]) {
            mask[place] = true
        }
        for place in mask.indices.dropLast().reversed()
        where mask[place + 1] && isOfToken(bytes[place]) && isOfToken(bytes[place + 1]) {
            mask[place] = true
        }
        return mask
    }

    private static func rendered(_ bytes: [UInt8], _ mask: [Bool]) -> String {
        var text: [UInt8] = []
        for place in bytes.indices {
            if !mask[place] {
                text.append(bytes[place])
            } else if place == 0 || !mask[place - 1] {
                text += Array(redacted.utf8)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What tokens and their encodings are made of.
    private static func isOfToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~+/=%\\!*$|".utf8.contains(byte)
        }
    }
}
