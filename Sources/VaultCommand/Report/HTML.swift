import IssuerHTTP

/// A piece of a page: what is interpolated into it is escaped unless it is a piece itself.
///
/// ```swift
/// let name = "<script>"
/// let cell: HTML = "<td>\(name)</td>"    // <td>&lt;script&gt;</td>
/// ```
struct HTML: ExpressibleByStringInterpolation, Sendable {
    let source: String

    init(stringLiteral source: String) { self.source = source }

    init(stringInterpolation: Interpolation) { source = stringInterpolation.source }

    static let nothing: HTML = ""

    struct Interpolation: StringInterpolationProtocol {
        private(set) var source = ""

        init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity) }

        mutating func appendLiteral(_ literal: String) { source += literal }

        mutating func appendInterpolation(_ text: String) {
            source += Console.harmless(text, limit: 4000).escapedForHTML
        }

        mutating func appendInterpolation(_ number: some BinaryInteger) { source += String(number) }

        mutating func appendInterpolation(_ piece: HTML) { source += piece.source }

        mutating func appendInterpolation(_ pieces: [HTML]) { for piece in pieces { source += piece.source } }
    }
}
