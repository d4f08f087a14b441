import ArgumentParser

/// `--json`, which every command has.
struct OutputArguments: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON: one object, or one object per line for lists.")
    var isJSON = false

    /// For the person who reads along; scripts get nothing.
    func note(_ line: String) {
        if !isJSON { Console.note(line) }
    }
}
