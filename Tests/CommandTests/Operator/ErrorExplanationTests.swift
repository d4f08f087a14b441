import Foundation
import TestSupport
import Testing

/// Whoever meets a code can look it up: in the command, and on a page that says the same.
@Suite("Every error has a code, and every code is explained", .bounded)
struct ErrorExplanationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    private func explanations() async throws -> [[String: Any]] {
        let listed = try await Workplace().run(["explain", "error", "--json"])
        #expect(listed.status == 0)
        return try listed.outputLines.map { try Ending.object($0) }
    }

    /// The codes as the sources define them.
    private func definedCodes() throws -> [String: Set<String>] {
        let pattern = /static let \w+ = (?:code\(|Code\(rawValue: )"([a-z_]+)"\)/
        var codes: [String: Set<String>] = [:]
        for (file, place, count) in [
            ("Sources/VaultCore/VaultError.swift", "vault", 15),
            ("Sources/TokenIssuer/OAuthError.swift", "http", 10),
            ("Sources/TokenKeeper/Keeper/KeeperError.swift", "keeper", 8),
        ] {
            let found = try text(file).matches(of: pattern).map { String($0.1) }
            #expect(found.count >= count, "\(file) defines its codes otherwise than this test reads them")
            for code in found { codes[code, default: []].insert(place) }
        }
        return codes
    }

    @Test func `every code has an explanation, and every explanation a code`() async throws {
        let defined = try definedCodes()
        var explained: [String: Set<String>] = [:]
        for explanation in try await explanations() {
            let code = try #require(explanation["code"] as? String)
            #expect(explained[code] == nil, "\(code) is explained twice")
            explained[code] = Set(try #require(explanation["places"] as? [String]))
            for part in ["meaning", "changed", "remedy"] {
                #expect((explanation[part] as? String ?? "").hasSuffix("."), "\(code): \(part)")
            }
        }
        #expect(explained == defined)
    }

    @Test func `the exit code it names is the one a command ends with`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.run(["init", "--vault", "W", "--key-file", "L", "--create-key-file"])
        let named = Dictionary(
            uniqueKeysWithValues: try await explanations().compactMap { explanation in
                (explanation["exit_code"] as? Int).map { (explanation["code"] as? String ?? "", Int32($0)) }
            })
        for arguments in [
            ["status", "--vault", "nowhere"], ["status", "--key-file", "L"], ["status", "--vault", "."],
            ["nonsense"],
            ["init"], ["user", "remove", "nobody"],
        ] {
            let ending = try await place.run(arguments + ["--json"])
            let code = try #require(Ending.object(ending.complaints)["error"] as? String)
            #expect(named[code] == ending.status, "\(code)")
            // People see the same code, where it is in nobody's way.
            let spoken = try await place.run(arguments)
            #expect(spoken.complaintLines.first?.hasSuffix(" [\(code)]") == true, "\(spoken.complaints)")
            #expect(
                try await place.run(["help", "error", "[\(code)]"]).output.contains("error:       \(code)\n"))
        }
    }

    @Test func `docs/errors.md has the same texts`() async throws {
        var page = """
            # Errors

            Each error of a command ends in its code, as `[not_found]`; with `--json` the code is in `error`. This page is built into
            the program: `tokenvault help error CODE` shows a row of it. Exit codes: `tokenvault help exit-codes`.

            | code | met in | exit | what it means | what changed | what to do |
            |---|---|---|---|---|---|

            """
        for explanation in try await explanations() {
            func part(_ name: String) -> String {
                (explanation[name] as? String ?? "").replacing("|", with: "\\|")
            }
            let places = (explanation["places"] as? [String] ?? []).joined(separator: ", ")
            let exit = (explanation["exit_code"] as? Int).map { "\($0)" } ?? "–"
            page +=
                "| `\(part("code"))` | \(places) | \(exit) | \(part("meaning")) | \(part("changed")) | \(part("remedy")) |\n"
        }
        #expect(try text("docs/errors.md") == page)
    }
}
