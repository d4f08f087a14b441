import ArgumentParser

/// What a command shows: an object for scripts, lines for people.
protocol Record: Encodable, Sendable {
    /// For people.
    var lines: [String] { get }
}

/// What a list shows: objects, one a line, or a table.
protocol ListRecord: Encodable, Sendable {
    static var header: [String] { get }
    var cells: [String] { get }
}

/// `--json`, which every command has.
struct OutputArguments: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON: one object, or one object per line for lists.")
    var isJSON = false

    func show(_ record: some Record) throws {
        guard !isJSON else { return try Console.print(JSONText.encode(record)) }
        for line in record.lines { try Console.print(line) }
    }

    func show<Item: ListRecord>(_ records: [Item]) throws {
        guard !isJSON else { return try showNext(records) }
        var table = Table(Item.header)
        for record in records { table.add(record.cells) }
        for line in table.lines { try Console.print(line) }
    }

    /// Objects of a list that comes in pages.
    func showNext(_ records: [some ListRecord]) throws {
        for record in records { try Console.print(JSONText.encode(record)) }
    }

    /// For the person who reads along; scripts get nothing.
    func note(_ line: String) {
        if !isJSON { Console.note(line) }
    }
}
