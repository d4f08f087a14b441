import ArgumentParser

/// What a command shows: an object for scripts, lines for people.
protocol Record: Encodable, Sendable {
    /// For people.
    var lines: [String] { get }
}

/// `--json`, which every command has.
struct OutputArguments: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON: one object, or one object per line for lists.")
    var isJSON = false

    func show(_ record: some Record) throws {
        guard !isJSON else { return try Console.print(JSONText.encode(record)) }
        for line in record.lines { try Console.print(line) }
    }

    /// For the person who reads along; scripts get nothing.
    func note(_ line: String) {
        if !isJSON { Console.note(line) }
    }
}
