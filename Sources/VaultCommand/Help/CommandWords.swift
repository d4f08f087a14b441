import ArgumentParser
import Foundation
import VaultCore

/// The words that name a command, and how the parser's help is laid out.
enum CommandWords {
    /// Tells a mistyped command with the nearest one, also after `help`; the parser would call it an argument.
    ///
    /// - Throws: `invalid_input` for the first word that stands where a command does and names none.
    static func check(_ arguments: [String]) throws {
        var command: any ParsableCommand.Type = TokenVaultCommand.self
        var path: [String] = []
        for word in arguments.first == "help" ? arguments.dropFirst() : arguments[...] {
            let below = command.configuration.subcommands
            guard !below.isEmpty, !word.hasPrefix("-"), word != "help" else { return }
            guard let next = below.first(where: { names($0).contains(word) }) else {
                let list = "'\((["tokenvault", "help"] + path).joined(separator: " "))' lists the commands."
                let nearest = nearest(to: word, path, below).map { "Did you mean '\($0)'? " }
                throw VaultError(
                    .invalidInput, "There is no command '\((path + [word]).joined(separator: " "))'.",
                    remedy: (nearest ?? "") + list)
            }
            (command, path) = (next, path + [word])
        }
    }

    /// The parser's help with the options of the command before those that all commands share, as in the manual.
    static func optionsFirst(_ help: String) -> String {
        var parts = help.split(separator: "\n\n").map { $0.trimmingCharacters(in: .newlines) }
        guard let options = parts.firstIndex(where: { $0.hasPrefix("OPTIONS:\n") }),
            var place = parts.firstIndex(where: { $0.hasPrefix("USAGE: ") })
        else { return help }
        place += parts[place + 1].hasPrefix("ARGUMENTS:\n") ? 2 : 1
        parts.insert(parts.remove(at: options), at: place)
        return parts.joined(separator: "\n\n")
    }

    /// A command at this place that means the same or is spelled nearly so, or one of that name elsewhere.
    private static func nearest(
        to word: String, _ path: [String], _ below: [any ParsableCommand.Type]
    ) -> String? {
        let here = below.flatMap(names)
        let near = here.map { ($0, distance(word, $0)) }.filter { $0.1 <= ($0.0.count + 1) / 3 }
        let found =
            synonyms[word]?.first(where: here.contains) ?? here.first { $0.hasPrefix(word) }
            ?? near.min { $0.1 < $1.1 }?.0
        return found.map { (path + [$0]).joined(separator: " ") } ?? elsewhere(word, TokenVaultCommand.self)
    }

    private static func elsewhere(_ word: String, _ command: any ParsableCommand.Type) -> String? {
        for next in command.configuration.subcommands {
            guard let name = names(next).first else { continue }
            if name == word { return name }
            if let below = elsewhere(word, next) { return "\(name) \(below)" }
        }
        return nil
    }

    private static func names(_ command: any ParsableCommand.Type) -> [String] {
        [command.configuration.commandName].compactMap { $0 } + command.configuration.aliases
    }

    private static let synonyms = [
        "ls": ["list"], "get": ["show"], "info": ["show", "status"], "describe": ["show"],
        "create": ["add", "init"], "new": ["add", "init"], "register": ["add"],
        "delete": ["remove", "erase"],
        "rm": ["remove", "erase"], "edit": ["set"], "update": ["set"], "start": ["serve"], "run": ["serve"],
        "check": ["doctor", "verify"], "token": ["grant"], "login": ["connection", "connect"],
        "log": ["audit"],
    ]

    /// How many characters must be changed, added or left out (Levenshtein).
    private static func distance(_ first: String, _ second: String) -> Int {
        var row = Array(0...second.count)
        for (line, character) in first.prefix(64).enumerated() {
            var diagonal = line
            row[0] = line + 1
            for (column, other) in second.enumerated() {
                let least = min(diagonal + (character == other ? 0 : 1), row[column] + 1, row[column + 1] + 1)
                (diagonal, row[column + 1]) = (row[column + 1], least)
            }
        }
        return row[second.count]
    }
}
