import VaultCore
import VaultCustody

/// Exchanges over time as an SVG of stacked bars, one colour an outcome, with its scale, its legend and its numbers.
///
/// The drawing is stretched to the width of the page; everything written stands outside of it and keeps its size.
extension ReportPage {
    /// Fewer columns would be broad blocks.
    private static let leastColumns = 24

    /// The timeline, with empty columns before it where it is short.
    private var columns: [AuditDigest.Column] {
        guard let first = digest.timeline.first?.from else { return [] }
        let missing = max(0, Self.leastColumns - digest.timeline.count)
        return (0..<missing).map {
            AuditDigest.Column(from: first.advanced(by: digest.columnWidth * ($0 - missing)))
        }
            + digest.timeline
    }

    var chart: HTML {
        let (columns, span) = (columns, digest.columnWidth)
        guard let first = columns.first, let last = columns.last else {
            return "<p class=\"empty\">There is no entry in this period.</p>"
        }
        let top = Self.round(columns.map(\.total).max() ?? 0)
        let sum = sum
        // For readers who do not see it.
        let description =
            "From \(Self.time(first.from)): \(sum.answered) answered, \(sum.replayed) answered again, "
            + "\(sum.refused) refused, \(sum.revoked) refused for reuse with the grant revoked."
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
            \(columns.enumerated().map { bar($0, $1, top) })
            </svg>
            <ol class="axis" aria-hidden="true"><li>\(Self.short(first.from, within: span))</li><li>\(Self.short(columns[columns.count / 2].from, within: span))</li><li>\(Self.short(last.from, within: span))</li></ol>
            </div>
            <figcaption>Each bar is \(Self.span(span)), times are UTC.</figcaption>
            </figure>
            """
    }

    /// One column, from the bottom up; nothing that happened is too small to be seen.
    private func bar(_ index: Int, _ column: AuditDigest.Column, _ top: Int64) -> HTML {
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
        return "<g><title>\(Self.time(column.from)): \(numbers)</title>\(alarm)\(rects)</g>\n"
    }

    /// Two digits behind the point, without a locale.
    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    /// One even digit and zeros, or a power of ten: the middle of the scale is a number, too.
    private static func round(_ largest: Int64) -> Int64 {
        var scale: Int64 = 1
        while scale < Int64.max / 100 {
            for step in [2, 4, 6, 8, 10] as [Int64] where step * scale >= largest { return step * scale }
            scale *= 10
        }
        return largest
    }

    // MARK: Times

    /// `2026-11-24 18:40:12`.
    static func time(_ instant: VaultInstant) -> String {
        String(Timestamp(instant).description.prefix(19)).replacing("T", with: " ")
    }

    /// `24 Nov 18:40`, and the seconds where a bar is less than a minute.
    private static func short(_ instant: VaultInstant, within span: Duration) -> String {
        let text = Timestamp(instant).description
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let month = Int(text.dropFirst(5).prefix(2)), months.indices.contains(month - 1) else {
            return text
        }
        return
            "\(text.dropFirst(8).prefix(2)) \(months[month - 1]) \(text.dropFirst(11).prefix(span < .seconds(60) ? 8 : 5))"
    }

    /// `5 minutes`, `1 day`.
    static func span(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        for (unit, name) in [(86_400 as Int64, "day"), (3600, "hour"), (60, "minute")] where seconds >= unit {
            return seconds / unit == 1 ? "1 \(name)" : "\(seconds / unit) \(name)s"
        }
        return seconds == 1 ? "1 second" : "\(seconds) seconds"
    }
}

extension AuditDigest.Column {
    /// From the bottom of a bar up; the names are classes of the style, too.
    fileprivate var outcomes: [(String, Int64)] {
        [("answered", answered), ("replayed", replayed), ("refused", refused), ("revoked", revoked)]
    }
}
