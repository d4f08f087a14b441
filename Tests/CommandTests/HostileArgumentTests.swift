import Foundation
import TestSupport
import Testing

/// Arguments that no person would type are refused as usage, quickly, and cannot steer the terminal.
@Suite("Hostile arguments", .bounded)
struct HostileArgumentTests {
    /// `man` at night only: it reads every definition, which takes seconds where nothing is optimized.
    private static let commands: [[String]] =
        [
            ["user", "add"], ["user", "disable"], ["client", "show"], ["client", "disable"],
            ["grant", "show"],
            ["audit", "show"], ["grant", "authorize", "--client"], ["client", "add"],
            ["client", "add", "x", "--client-id"],
            ["client", "add", "x", "--redirect-uri"], ["serve", "--listen"], ["serve", "--issuer"],
            ["status", "--vault"],
            ["status", "--key-file"], ["nonsense"],
            ["explain", "error"], ["help", "error"], ["doctor", "--vault"], ["report", "--from"],
        ] + (Effort.isNightly ? [["man"]] : [])

    private static let arguments: [(name: String, text: String)] = [
        ("nothing", ""), ("a space", " "), ("control characters", "a\u{1B}[31m\u{7}\u{8}\r\nb"),
        ("a bell and a delete", "\u{7}\u{7F}"), ("C1 controls", "\u{9B}31m"),
        ("a right-to-left override", "\u{202E}evil"),
        ("a format string", "%s%n%s%n"), ("SQL", "'; DROP TABLE vault; --"),
        ("a long one", String(repeating: "A", count: 120_000)),
        ("a huge number", "99999999999999999999999999"), ("a negative number", "-1"),
        ("a path", "../../../../etc/shadow"),
    ]

    @Test(arguments: commands)
    func `are refused without an internal error`(_ command: [String]) async throws {
        let place = try await Workplace.withVault()
        // Each command meets a third of them, each of them a third of the commands; at night all meet all.
        let turn = Self.commands.firstIndex(of: command) ?? 0
        for (number, (name, text)) in Self.arguments.enumerated()
        where Effort.isNightly || (number + turn).isMultiple(of: 3) {
            let ending = try await place.run(command + [text])
            // Some of them are fine names after all.
            // The doctor ends with what it found: a path that the disk does not take is its finding.
            let expected: [Int32] = command.first == "doctor" ? [0, 2, 3, 4, 8] : [0, 2, 3, 4]
            #expect(expected.contains(ending.status), "\(command) with \(name): \(ending.status)")
            for line in ending.outputLines + ending.complaintLines {
                #expect(line.unicodeScalars.allSatisfy { isHarmless($0) }, "\(command) with \(name)")
            }
            #expect(ending.complaints.utf8.count < 10_000, "\(command) with \(name)")
        }
        let verdict = try await place.run(["audit", "verify"])
        #expect(verdict.status == 0)
    }

    private func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        ![.control, .format].contains(scalar.properties.generalCategory)
    }

    @Test func `a megabyte of them is refused`() async throws {
        let place = try await Workplace.withVault()
        let many = Array(repeating: String(repeating: "B", count: 100_000), count: 10)
        let ending = try await place.run(["user", "add"] + many)
        #expect(ending.status == 2)
        #expect(ending.complaints.utf8.count < 10_000)
    }

    @Test func `a megabyte on standard input is refused`() async throws {
        let place = try await Workplace.withVault()
        let ending = try await place.run(
            ["user", "add", "-"], input: String(repeating: "C", count: 1_000_000))
        #expect(ending.status == 2)
    }

    @Test func `an argument that is not UTF-8 does no harm`() async throws {
        let place = try await Workplace.withVault()
        let ending = try await place.shell("tokenvault user disable \"$(printf '\\377\\376')\"")
        #expect([2, 3].contains(ending.status))
    }
}
