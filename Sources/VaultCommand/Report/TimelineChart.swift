import TokenVault
import VaultCore

/// Exchanges over time as an SVG of stacked bars, one colour an outcome, with its scale, its legend and its numbers.
///
/// The drawing is stretched to the width of the page; everything written stands outside of it and keeps its size.
struct TimelineChart {
    /// Fewer columns would be broad blocks.
    private static let leastColumns = 24
    private let columns: [AuditDigest.Column]
    private let top: Int64

    init(_ digest: AuditDigest) {
        let width = digest.columnWidth.milliseconds
        let first = digest.timeline.first?.from.millisecondsSince1970 ?? 0
        let missing = digest.timeline.isEmpty ? 0 : max(0, Self.leastColumns - digest.timeline.count)
        let padding = (0..<missing).map { index in
            let from = first - Int64(missing - index) * width
            return AuditDigest.Column(from: VaultInstant(millisecondsSince1970: from))
        }
        columns = padding + digest.timeline
        top = Self.round(columns.map(\.total).max() ?? 0)
        span = digest.columnWidth
    }

    private let span: Duration

    /// One even digit and zeros, or a power of ten: the middle of the scale is a number, too.
    private static func round(_ largest: Int64) -> Int64 {
        var scale: Int64 = 1
        while scale < Int64.max / 100 {
            for step in [2, 4, 6, 8, 10] as [Int64] where step * scale >= largest { return step * scale }
            scale *= 10
        }
        return largest
    }

    var figure: HTML {
        guard let first = columns.first, let last = columns.last else {
            return "<p class=\"empty\">There is no entry in this period.</p>"
        }
        return """
            <figure>
            <ul class="legend">
            <li><i class="answered"></i>answered</li><li><i class="replayed"></i>the same answer again</li>
            <li><i class="refused"></i>refused</li><li><i class="revoked"></i>reuse: grant revoked</li>
            </ul>
            <div class="plot">
            <ol class="scale" aria-hidden="true"><li>\(top)</li><li>\(top / 2)</li><li>0</li></ol>
            <svg viewBox="0 0 \(columns.count * 10) 100" preserveAspectRatio="none" role="img" aria-labelledby="chart-title chart-text">
            <title id="chart-title">Exchanges by outcome</title>
            <desc id="chart-text">\(description)</desc>
            <path class="grid" d="M0 0.5H\(columns.count * 10)M0 50H\(columns.count * 10)M0 99.5H\(columns.count * 10)"></path>
            \(columns.enumerated().map { bar($0, $1) })
            </svg>
            <ol class="axis" aria-hidden="true"><li>\(Moment.short(first.from, within: span))</li><li>\(Moment.short(columns[columns.count / 2].from, within: span))</li><li>\(Moment.short(last.from, within: span))</li></ol>
            </div>
            <figcaption>Each bar is \(Moment.span(span)), times are UTC.</figcaption>
            </figure>
            """
    }

    /// For who does not see it.
    private var description: String {
        let all = columns.reduce(into: AuditDigest.Column(from: columns[0].from)) { sum, column in
            sum.add(column)
        }
        return
            "From \(Moment.long(columns[0].from)): \(all.answered) answered, \(all.replayed) answered again, "
            + "\(all.refused) refused, \(all.revoked) refused for reuse with the grant revoked."
    }

    /// One column, from the bottom up; nothing that happened is too small to be seen.
    private func bar(_ index: Int, _ column: AuditDigest.Column) -> HTML {
        guard column.total > 0 else { return .nothing }
        var rects: [HTML] = []
        var above = 100.0
        for (name, count) in column.outcomes where count > 0 {
            let height = max(1.5, Double(count) / Double(top) * 100)
            above -= height
            rects.append(
                "<rect class=\"\(name)\" x=\"\(index * 10 + 1)\" y=\"\(Self.decimal(max(0, above)))\" width=\"8\" height=\"\(Self.decimal(height))\"></rect>"
            )
        }
        let alarm: HTML =
            column.revoked > 0
            ? "<rect class=\"alarm\" x=\"\(index * 10)\" y=\"0\" width=\"10\" height=\"100\"></rect>"
            : .nothing
        let numbers = column.outcomes.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
        return "<g><title>\(Moment.long(column.from)): \(numbers)</title>\(alarm)\(rects)</g>\n"
    }

    /// Two digits behind the point, without a locale.
    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}

extension AuditDigest.Column {
    /// From the bottom of a bar up; the names are classes of the style, too.
    fileprivate var outcomes: [(String, Int64)] {
        [("answered", answered), ("replayed", replayed), ("refused", refused), ("revoked", revoked)]
    }
}
