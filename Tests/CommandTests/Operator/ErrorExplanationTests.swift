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
            ("Sources/TokenIssuer/OAuthError.swift", "http", 12),
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
        let page = try text("docs/errors.md")
        #expect(try text("Sources/VaultCommand/Help/errors.md") == page)
        var rows: [Substring] = page.split(separator: "\n").filter { $0.hasPrefix("| `") }
        for explanation in try await explanations() {
            func part(_ name: String) -> String {
                (explanation[name] as? String ?? "").replacing("|", with: "\\|")
            }
            let places = (explanation["places"] as? [String] ?? []).joined(separator: ", ")
            let exit = (explanation["exit_code"] as? Int).map { "\($0)" } ?? "–"
            let row =
                "| `\(part("code"))` | \(places) | \(exit) | \(part("meaning")) | \(part("changed")) | \(part("remedy")) |"
            #expect(rows.first.map(String.init) == row)
            rows = Array(rows.dropFirst())
        }
        #expect(rows.isEmpty)
    }

    @Test func `every act of a remedy is spelled out, and none contains another`() async throws {
        let acts = try text("docs/errors.md").matches(of: /\n\| ([A-Za-z' ]+) \| (`[^|]*`) \|/).map {
            $0.1.lowercased()
        }
        #expect(acts.count > 40)
        let sources = try FileManager.default.subpathsOfDirectory(
            atPath: Self.root.appending(path: "Sources").path()
        ).filter { $0.hasSuffix(".swift") && !$0.hasPrefix("VaultCommand/") }
        let libraries = try sources.map { try text("Sources/" + $0).lowercased() }.joined()
        for act in acts {
            #expect(libraries.contains(act), "no remedy says '\(act)'")
            #expect(!acts.contains { $0 != act && $0.contains(act) }, "\(act)")
        }
        let missing = try await Workplace().run(["status", "--vault", "nowhere", "--json"])
        let ending = try await Workplace.withVault().run(["grant", "show", "99"])
        #expect(missing.status == 3)
        #expect(ending.complaints.contains("  → List the grants ('tokenvault grant list').\n"))
    }
}
