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

/// What to search for in a text to find a secret in it, however it was encoded.
enum SecretSpellings {
    /// The secret itself, how it begins and ends, and base64 of it wherever it stands in what was encoded. In
    /// lower case, as ``DecodedView`` is.
    static func needles(of secret: [UInt8]) -> [[UInt8]] {
        guard !secret.isEmpty else { return [] }
        var needles = [secret]
        // Providers show "the first characters" of a token, and cut long ones.
        if secret.count >= 16 { needles += [Array(secret.prefix(8)), Array(secret.suffix(8))] }
        if secret.contains(UInt8(ascii: " ")) {
            needles.append(secret.map { $0 == UInt8(ascii: " ") ? UInt8(ascii: "+") : $0 })
        }
        for offset in 0..<3 {
            guard let core = base64Core(of: secret, offset: offset) else { continue }
            needles.append(core)
            needles.append(
                core.map { byte in
                    switch byte {
                    case UInt8(ascii: "-"): UInt8(ascii: "+")
                    case UInt8(ascii: "_"): UInt8(ascii: "/")
                    default: byte
                    }
                })
        }
        return needles.map { $0.map(lowercase) }
    }

    static func lowercase(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
    }

    /// The characters of base64url that depend on the secret alone when `offset` octets stand before it.
    private static func base64Core(of secret: [UInt8], offset: Int) -> [UInt8]? {
        let text = Base64URL.encode([UInt8](repeating: 0, count: offset) + secret)
        // The first characters mix in what stands before, the last one what follows.
        let leading = offset == 0 ? 0 : offset + 1
        let trailing = (offset + secret.count).isMultiple(of: 3) ? 0 : 1
        guard text.count - leading - trailing >= 4 else { return nil }
        return Array(text[leading..<text.count - trailing])
    }
}

/// A text with its escapes undone, and for each octet the place in the text that it came from.
struct DecodedView {
    private let bytes: [UInt8]
    private let places: [Range<Int>]

    /// The text as it is and with its escapes undone once, twice, three times, in lower case, with spaces and without.
    static func all(of text: [UInt8]) -> [DecodedView] {
        var views = [DecodedView(bytes: text, places: text.indices.map { $0..<$0 + 1 })]
        for _ in 0..<3 {
            let next = views[views.count - 1].decoded
            guard next.bytes.count < views[views.count - 1].bytes.count else { break }
            views.append(next)
        }
        return views.flatMap { view in
            let lower = DecodedView(bytes: view.bytes.map(SecretSpellings.lowercase), places: view.places)
            return [lower, lower.closed]
        }
    }

    /// Without spaces: some programs break a long word into lines.
    private var closed: DecodedView {
        let kept = bytes.indices.filter { bytes[$0] != UInt8(ascii: " ") }
        return DecodedView(bytes: kept.map { bytes[$0] }, places: kept.map { places[$0] })
    }

    /// The places in the text that spell `needle`.
    func matches(of needle: [UInt8]) -> [Range<Int>] {
        guard let first = needle.first, needle.count <= bytes.count else { return [] }
        var matches: [Range<Int>] = []
        for start in 0...(bytes.count - needle.count)
        where bytes[start] == first && bytes[start..<start + needle.count].elementsEqual(needle) {
            matches.append(places[start].lowerBound..<places[start + needle.count - 1].upperBound)
        }
        return matches
    }

    /// With `%XX`, `\uXXXX`, `\xXX`, `&#NN;` and a backslash before a character undone.
    private var decoded: DecodedView {
        var result: (bytes: [UInt8], places: [Range<Int>]) = ([], [])
        var index = 0
        while index < bytes.count {
            let (byte, length) = escape(at: index) ?? (bytes[index], 1)
            result.bytes.append(byte)
            result.places.append(places[index].lowerBound..<places[index + length - 1].upperBound)
            index += length
        }
        return DecodedView(bytes: result.bytes, places: result.places)
    }

    /// The octet that an escape at `index` stands for, and the length of the escape.
    private func escape(at index: Int) -> (UInt8, Int)? {
        let rest = bytes[index...]
        if rest.first == UInt8(ascii: "%"), let byte = hexadecimal(index + 1, digits: 2) { return (byte, 3) }
        if rest.starts(with: "&#x".utf8) || rest.starts(with: "&#X".utf8) {
            return reference(from: index + 3, base: 16).map { ($0.0, $0.1 + 3) }
        }
        if rest.starts(with: "&#".utf8) {
            return reference(from: index + 2, base: 10).map { ($0.0, $0.1 + 2) }
        }
        for (name, character) in [("&amp;", "&"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">")]
            as [(String, Unicode.Scalar)]
        where rest.starts(with: name.utf8) {
            return (UInt8(ascii: character), name.utf8.count)
        }
        guard rest.first == UInt8(ascii: "\\"), let next = rest.dropFirst().first else { return nil }
        switch next {
        case UInt8(ascii: "u"):
            guard let byte = hexadecimal(index + 2, digits: 4) else { return nil }
            return (byte, 6)
        case UInt8(ascii: "x"):
            guard let byte = hexadecimal(index + 2, digits: 2) else { return nil }
            return (byte, 4)
        default: return (next, 2)
        }
    }

    private func hexadecimal(_ start: Int, digits: Int) -> UInt8? {
        guard start + digits <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[start..<start + digits] {
            guard let digit = FormCoding.digit(byte) else { return nil }
            value = value << 4 | Int(digit)
        }
        return UInt8(exactly: value)
    }

    /// Up to three digits and a semicolon: the octet, and how long they are together.
    private func reference(from start: Int, base: Int) -> (UInt8, Int)? {
        guard start < bytes.count, let end = bytes[start...].prefix(5).firstIndex(of: UInt8(ascii: ";")),
            end > start,
            let value = UInt8(String(decoding: bytes[start..<end], as: UTF8.self), radix: base)
        else { return nil }
        return (value, end + 1 - start)
    }
}
