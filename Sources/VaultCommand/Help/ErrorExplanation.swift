import Foundation
import TokenKeeper
import VaultCore

/// What a code of an error stands for: a row of docs/errors.md, which is built into the program.
struct ErrorExplanation: Sendable {
    let code: String
    /// Where the code is met: `vault`, `http`, `keeper`.
    let places: [String]
    let meaning: String
    /// What is different because of the failed attempt.
    let changed: String
    let remedy: String
    /// How a command ends with it; nil for what only clients of the server see.
    let exitCode: Int32?

    /// Every code there is, in the order of the alphabet.
    static let all = page.compactMap(ErrorExplanation.init)
    fileprivate static let page = String(decoding: PackageResources.errors_md, as: UTF8.self).split(
        separator: "\n")

    /// Nil: not a row about a code.
    private init?(row: Substring) {
        let cells = row.split(separator: " | ").map { String($0).replacing("\\|", with: "|") }
        guard cells.count == 6, cells[0].hasPrefix("| `"), cells[0].hasSuffix("`"), cells[5].hasSuffix(" |")
        else { return nil }
        code = String(cells[0].dropFirst(3).dropLast())
        places = cells[1].replacing(" ", with: "").split(separator: ",").map(String.init)
        (meaning, changed, remedy) = (cells[3], cells[4], String(cells[5].dropLast(2)))
        exitCode =
            places.contains("vault")
            ? ExitStatus(VaultError.Code(rawValue: code)).rawValue
            : places.contains("keeper") ? ExitStatus(KeeperError.Code(rawValue: code)).rawValue : nil
    }

    /// As the lists show it, and alone with a line for each part.
    var shown: Shown {
        let sentences = [
            "vault": "a command, or VaultError in the library", "http": "an HTTP answer of the server",
            "keeper": "consents at providers, or KeeperError in the library",
        ]
        return Shown(
            [
                .both("code", code, label: "error"), .json("places", places),
                .text("where", places.compactMap { sentences[$0] }.joined(separator: "; ")),
                .both("meaning", meaning), .both("changed", changed),
                .both("remedy", remedy, label: "what to do"),
                .both("exit_code", exitCode, label: "exit code"),
            ], cells: [code, exitCode.map { "\($0)" } ?? "-", meaning])
    }
}

/// The command line or option for each act that a remedy of the libraries names: the second table of docs/errors.md.
enum Acts {
    /// "Verify the audit log." as "Verify the audit log ('tokenvault audit verify')."
    static func spelledOut(_ remedy: String) -> String {
        all.reduce(into: remedy) { text, act in
            guard let place = text.range(of: act.name, options: .caseInsensitive) else { return }
            text.insert(contentsOf: " (\(act.command))", at: place.upperBound)
        }
    }

    private static let all: [(name: String, command: String)] = ErrorExplanation.page.compactMap { row in
        let cells = row.split(separator: " | ").map(String.init)
        guard cells.count == 2, cells[1].hasPrefix("`"), cells[1].hasSuffix("` |") else { return nil }
        return (String(cells[0].dropFirst(2)), String(cells[1].dropLast(2)).replacing("`", with: "'"))
    }
}
