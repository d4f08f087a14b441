import VaultCore

/// What a command shows of one thing: an object for scripts; for people names and values, or a row of a list.
struct Shown: Encodable, Sendable {
    struct Field: Sendable {
        fileprivate let name: String
        fileprivate let value: (any Encodable & Sendable)?
        fileprivate let text: String?
        fileprivate var label: String?

        /// For scripts and people: a time as RFC 3339 has it; a duration in seconds for scripts, in its
        /// largest unit for people; `yes` and `no`.
        ///
        /// - Parameters:
        ///   - label: what people call it, if not by its name.
        ///   - missing: what people read where there is no value; nil leaves the line out.
        static func both(
            _ name: String, _ value: (any Encodable & Sendable)?, label: String? = nil,
            as text: String? = nil,
            missing: String? = nil
        ) -> Field {
            let words =
                switch value {
                case nil: missing
                case let flag as Bool: flag ? "yes" : "no"
                case let instant as VaultInstant: Timestamp(instant).description
                case let span as Duration: DurationArgument(span).defaultValueDescription
                case let value?: "\(value)"
                }
            return Field(name: name, value: value, text: text ?? words, label: label)
        }

        /// For scripts alone; left out where it is nil.
        static func json(_ name: String, _ value: (any Encodable & Sendable)?) -> Field {
            Field(name: name, value: value, text: nil)
        }

        /// For people alone.
        static func text(_ name: String, _ text: String?) -> Field {
            Field(name: name, value: nil, text: text)
        }
    }

    private let fields: [Field]
    private let object: (any Encodable & Sendable)?
    var lines: [String]
    /// In the order of the list's header.
    let cells: [String]
    /// Said on standard error afterwards, to people alone.
    var notes: [String] = []

    /// - Parameters:
    ///   - object: what has further members for scripts.
    ///   - lines: what people read instead of names and values.
    init(
        _ fields: [Field], of object: (any Encodable & Sendable)? = nil, cells: [String] = [],
        lines: [String]? = nil
    ) {
        self.fields = fields
        self.object = object
        self.lines =
            lines
            ?? Table.pairs(fields.compactMap { field in field.text.map { (field.label ?? field.name, $0) } })
        self.cells = cells
    }

    /// What is gone: `{"removed":"alice"}`.
    init(removed name: String) {
        self.init([.json("removed", name)], lines: ["Removed \(Console.harmless(name))."])
    }

    func encode(to encoder: any Encoder) throws {
        try self.object?.encode(to: encoder)
        var object = encoder.container(keyedBy: Name.self)
        for field in fields {
            let name = Name(stringValue: field.name)
            switch field.value {
            case nil: continue
            case let instant as VaultInstant: try object.encode(Timestamp(instant), forKey: name)
            case let span as Duration: try object.encode(span.components.seconds, forKey: name)
            case let value?: try object.encode(value, forKey: name)
            }
        }
    }

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }

        init?(intValue: Int) { nil }
    }
}

/// The name of a case as printed: `clientCredentials` as `client_credentials`.
func word(_ value: some Any, joinedBy separator: String = "_") -> String {
    "\(value)".reduce(into: "") { $0 += $1.isUppercase ? separator + $1.lowercased() : String($1) }
}

extension OutputArguments {
    func show(_ shown: Shown) throws {
        guard !isJSON else { return try Console.print(JSONText.encode(shown)) }
        for line in shown.lines { try Console.print(line) }
        for line in shown.notes { Console.note(line) }
    }

    /// Shows objects, one a line, or a table.
    func show(_ rows: [Shown], under header: [String]) throws {
        guard !isJSON else { return try rows.forEach { try Console.print(JSONText.encode($0)) } }
        var table = Table(header)
        for row in rows { table.add(row.cells) }
        for line in table.lines { try Console.print(line) }
    }

    /// Shows a list that comes in pages: to scripts as they come, to people as one table.
    ///
    /// - Parameters:
    ///   - page: what comes after an item, from the beginning for nil; empty at the end.
    ///   - limit: how many items are shown.
    ///   - isWanted: says which are.
    func show<Item>(
        pages page: (_ last: Item?) async throws -> [Item], under header: [String], limit: Int? = nil,
        where isWanted: (Item) -> Bool = { _ in true }, row: (Item) async throws -> Shown
    ) async throws {
        var table = Table(header)
        var left = limit ?? .max
        var last: Item?
        while left > 0 {
            let items = try await page(last)
            last = items.last
            guard last != nil else { break }
            for item in items.filter(isWanted).prefix(left) {
                let shown = try await row(item)
                if isJSON { try Console.print(JSONText.encode(shown)) } else { table.add(shown.cells) }
                left -= 1
            }
        }
        if !isJSON { for line in table.lines { try Console.print(line) } }
    }
}
