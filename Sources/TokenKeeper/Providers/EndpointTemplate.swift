/// A URL with `{variables}` in it, and what may stand for each by where it is.
struct EndpointTemplate {
    enum Piece: Equatable {
        case text(String)
        case variable(String)
    }

    /// What a value may be made of.
    enum Place {
        /// The variable is all there is: a whole URL.
        case url
        /// The variable is the whole host: a name with dots.
        case host
        /// Part of a host name: no dots, or a tenant could lead the request to a host of its own.
        case label
        /// A step of the path or the query.
        case path
    }

    private let pieces: [Piece]

    /// Nil where braces do not come in pairs around a name.
    init?(_ text: String) {
        var pieces: [Piece] = []
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            guard let close = rest[open...].firstIndex(of: "}") else { return nil }
            let name = rest[rest.index(after: open)..<close]
            guard Self.isName(name) else { return nil }
            if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
            pieces.append(.variable(String(name)))
            rest = rest[rest.index(after: close)...]
        }
        guard !rest.contains("}"), !pieces.contains(where: { $0.isStray }) else { return nil }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        self.pieces = pieces
    }

    var variables: [String] {
        pieces.compactMap { piece in
            guard case .variable(let name) = piece else { return nil }
            return name
        }
    }

    /// With harmless values, to be looked at.
    var sample: String {
        zip(pieces, places).map { piece, place in
            switch (piece, place) {
            case (.text(let text), _): text
            case (.variable, .url): "https://example.com"
            case (.variable, .host): "example.com"
            case (.variable, .label), (.variable, .path): "x"
            }
        }.joined()
    }

    /// Nil where a value does not fit its place; the name of the variable is in `misfit` then.
    func filled(_ values: [String: String], misfit: inout String) -> String? {
        var url = ""
        for (piece, place) in zip(pieces, places) {
            switch piece {
            case .text(let text): url += text
            case .variable(let name):
                guard let value = values[name], Self.fits(value, place) else {
                    misfit = name
                    return nil
                }
                url += value
            }
        }
        return url
    }

    /// Of each piece; of texts it does not matter.
    private var places: [Place] {
        var before = ""
        return pieces.enumerated().map { index, piece in
            defer { before += piece.written }
            if pieces.count == 1 { return .url }
            let authority = before.firstRange(of: "://").map { before[$0.upperBound...] }
            guard let authority, !authority.contains("/"), !authority.contains("?") else { return .path }
            let next = index + 1 < pieces.count ? pieces[index + 1].written.first : nil
            return authority.isEmpty && (next == nil || next == "/" || next == "?") ? .host : .label
        }
    }

    private static func fits(_ value: String, _ place: Place) -> Bool {
        switch place {
        case .url: return EndpointURL.fault(of: value) == nil && !value.contains("?")
        case .host: return EndpointURL.fault(of: "https://\(value)/") == nil && isWord(value, ".-")
        case .label: return value.utf8.count <= 63 && isWord(value, "-")
        case .path: return value.utf8.count <= 128 && isWord(value, ".-_") && !value.contains("..")
        }
    }

    /// ASCII letters and digits, and in between some of `others`.
    private static func isWord(_ value: String, _ others: String) -> Bool {
        guard let first = value.utf8.first, let last = value.utf8.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && value.utf8.allSatisfy { isAlphanumeric($0) || others.utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func isName(_ name: Substring) -> Bool {
        (1...32).contains(name.utf8.count)
            && name.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789_".utf8.contains($0) }
    }
}

extension EndpointTemplate.Piece {
    fileprivate var written: String {
        switch self {
        case .text(let text): text
        case .variable(let name): "{\(name)}"
        }
    }

    fileprivate var isStray: Bool {
        guard case .text(let text) = self else { return false }
        return text.contains("}")
    }
}
