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
            if path.isEmpty, word.hasPrefix("--"), !["--help", "--version"].contains(word),
                let later = arguments.first(where: below.flatMap(names).contains)
            {
                throw VaultError(
                    .invalidInput, "Options come after the command.",
                    remedy: "As in 'tokenvault \(later) \(word) …'.")
            }
            guard !below.isEmpty, !word.hasPrefix("-"), word != "help" else { return }
            guard let next = below.first(where: { names($0).contains(word) }) else {
                let list = "'\((["tokenvault", "help"] + path).joined(separator: " "))' lists the commands."
                let nearest = nearest(to: word, path, command).map { "'\($0.joined(separator: " "))'" }
                let question = "Did you mean \(nearest.joined(separator: ", "))? "
                throw VaultError(
                    .invalidInput, "There is no command '\((path + [word]).joined(separator: " "))'.",
                    remedy: (nearest.isEmpty ? "" : question) + list)
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
        parts[place] = short(parts[place][...])
        place += parts[place + 1].hasPrefix("ARGUMENTS:\n") ? 2 : 1
        parts.insert(parts.remove(at: options), at: place)
        return parts.joined(separator: "\n\n")
    }

    /// A usage line with one word for all options that may be left out, if it is too long for a terminal.
    static func short(_ usage: Substring) -> String {
        let option = /\s\[-[^\]]*\]/
        guard usage.count > 80, let first = usage.firstMatch(of: option) else { return String(usage) }
        return usage[..<first.range.lowerBound] + " [<options>]"
            + usage[first.range.upperBound...].replacing(option, with: "")
    }

    /// A command here that means the same, those of that name elsewhere, or the one here that is spelled nearly so.
    private static func nearest(
        to word: String, _ path: [String], _ command: any ParsableCommand.Type
    ) -> [[String]] {
        let here = command.configuration.subcommands.flatMap(names)
        if let same = synonyms[word]?.first(where: here.contains) { return [path + [same]] }
        for word in [word] + (synonyms[word] ?? []) {
            let below = named(word, below: command, path)
            let elsewhere = below.isEmpty ? named(word, below: TokenVaultCommand.self, []) : below
            if !elsewhere.isEmpty, path.isEmpty || elsewhere.count < 3 { return elsewhere }
        }
        let near = here.map { ($0, distance(word, $0)) }.filter { $0.1 <= ($0.0.count + 1) / 3 }
        let found = here.first { $0.hasPrefix(word) } ?? near.min { $0.1 < $1.1 }?.0
        return found.map { [path + [$0]] } ?? []
    }

    private static func named(
        _ word: String, below command: any ParsableCommand.Type, _ path: [String]
    ) -> [[String]] {
        command.configuration.subcommands.flatMap { next -> [[String]] in
            guard let name = names(next).first else { return [] }
            return (name == word ? [path + [name]] : []) + named(word, below: next, path + [name])
        }
    }

    private static func names(_ command: any ParsableCommand.Type) -> [String] {
        [command.configuration.commandName].compactMap { $0 } + command.configuration.aliases
    }

    private static let synonyms = [
        "ls": ["list"], "get": ["show"], "show": ["list"], "info": ["show", "status"], "describe": ["show"],
        "create": ["add", "init"], "new": ["add", "init"], "register": ["add"],
        "delete": ["remove", "erase"],
        "rm": ["remove", "erase"], "edit": ["set"], "update": ["set"], "start": ["serve"], "run": ["serve"],
        "check": ["doctor", "verify"], "token": ["grant"], "login": ["connection", "connect"],
        "log": ["audit"], "logs": ["audit"],
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
