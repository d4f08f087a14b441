import VaultCore

/// Text of a provider made fit for an operator's eyes: bounded, without control characters, without secrets.
/// Providers echo what they were sent (Fitbit puts the refresh token into its message), plain or encoded once
/// more. So every spelling of every secret that was sent is masked, and whatever else looks like a token.
struct Diagnostic {
    static let length = 200
    private static let redacted = "<redacted>"
    /// Longer text is left out, not cut: half a secret would not be found.
    private static let readableBytes = 4 * 1024

    private let needles: [[UInt8]]
    /// Runs of characters that may be seen although they look like tokens.
    private let known: Set<[UInt8]>

    /// - Parameters:
    ///   - secrets: What must not be seen.
    ///   - known: Texts that were sent in the clear, such as scopes: they are often what an error is about.
    init(masking secrets: [SecretBytes], showing known: [String] = []) {
        needles = secrets.flatMap { $0.withExposed(SecretSpellings.needles) }
        self.known = Set(known.flatMap { Self.runs(of: Array($0.utf8)).map { Self.trimmed($0) } })
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

    /// Scheme, host and path of a URL that a provider or a browser named, each step scrubbed by itself. Nil:
    /// it is not one of http, https, or a path.
    func place(_ url: String) -> String? {
        guard url.utf8.count <= Self.readableBytes else { return nil }
        let bare = url.prefix { $0 != "?" && $0 != "#" }
        let parts = bare.firstRange(of: "://").map {
            (bare[..<$0.lowerBound].lowercased(), bare[$0.upperBound...])
        }
        guard parts.map({ ["http", "https"].contains($0.0) }) ?? bare.hasPrefix("/") else { return nil }
        // What stands before an @ is a name and a password.
        let steps = (parts?.1 ?? bare).split(separator: "/", omittingEmptySubsequences: false).enumerated()
            .map { index, step in
                let host = index == 0 ? step.split(separator: "@").last ?? "" : step
                return index == 0 ? hostName(String(host)) : scrubbed(String(step))
            }
        return Self.bounded((parts.map { $0.0 + "://" } ?? "") + steps.joined(separator: "/"))
    }

    /// A name may be long, and its labels are what is scrubbed.
    private func hostName(_ host: String) -> String {
        host.split(separator: ".", omittingEmptySubsequences: false).map { scrubbed(String($0)) }
            .joined(separator: ".")
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
        for run in Self.runs(of: bytes) where Self.looksLikeToken(run) && !known.contains(Self.trimmed(run)) {
            for place in run.indices { mask[place] = true }
        }
    }

    /// Whether there is something in a text that a token may be.
    static func hasTokenLikeRun(_ text: [UInt8]) -> Bool { runs(of: text).contains(where: looksLikeToken) }

    private static func looksLikeToken(_ run: ArraySlice<UInt8>) -> Bool {
        let hasDigit = run.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return run.count >= 24 || (run.count >= 16 && hasDigit)
    }

    private static func runs(of bytes: [UInt8]) -> [ArraySlice<UInt8>] { bytes.split { !isOfToken($0) } }

    /// Without the end of the sentence that a run stands in.
    private static func trimmed(_ run: ArraySlice<UInt8>) -> [UInt8] {
        Array(run.reversed().drop { "./!".utf8.contains($0) }.reversed())
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
        FormCoding.isUnreserved(byte) || "+/=%\\!*$|".utf8.contains(byte)
    }
}
