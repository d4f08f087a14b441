/// Rows under a header, in columns as wide as their content.
struct Table {
    private let header: [String]
    private var rows: [[String]] = []

    init(_ header: [String]) { self.header = header }

    mutating func add(_ row: [String]) {
        rows.append(row.map { Console.harmless($0) })
    }

    /// Lines without trailing spaces; just the header when there are no rows.
    var lines: [String] {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// Names and values, one pair a line.
    static func pairs(_ pairs: [(String, String)]) -> [String] {
        let width = pairs.map(\.0.count).max() ?? 0
        return pairs.map { name, value in
            let gap = String(repeating: " ", count: width - name.count + 2)
            return "\(name):\(gap)\(Console.harmless(value))"
        }
    }
}
