import Foundation
import TestSupport
import Testing

/// Manual pages and completion scripts come from the definitions of the commands: none is missing, all are well formed.
@Suite("Manual pages and completion cover every command", .bounded)
struct ManualTests {
    @Test func `there is a page for each, and groff and mandoc have nothing to complain of`() async throws {
        let place = try Workplace()
        let made = try await place.shell("mkdir man && tokenvault man --directory man --json")
        #expect(made.status == 0 && made.complaints.isEmpty)
        let expected = try await place.commands().map {
            (["tokenvault"] + $0).joined(separator: "-") + ".1"
        }
        #expect(expected.count > 60)
        let written = Set(try await place.shell("ls man").outputLines)
        #expect(Set(expected).subtracting(written).isEmpty)
        let groff = try await place.shell("for f in man/*.1; do groff -man -Tutf8 -ww -z \"$f\" 2>&1; done")
        #expect(groff.status == 0 && groff.output.isEmpty, "\(groff.output)")
        let mandoc = try await place.shell("mandoc -T lint -W warning man/*.1")
        #expect(mandoc.status == 0, "\(mandoc.output)")
    }

    @Test func `a page says what the help says, letter for letter`() async throws {
        let place = try Workplace()
        let page = try await place.shell(
            "tokenvault man doctor > d.1 && mandoc -T utf8 -O width=500 d.1 | col -b")
        #expect(page.status == 0)
        for text in [
            "tokenvault-doctor - Check files", "--passphrase-fd number", "tokenvault doctor --full --json",
            "'tokenvault help exit-codes'", "EXIT STATUS",
        ] {
            #expect(page.output.contains(text), "\(text)")
        }
    }

    @Test func `a command that is not there, and a directory that is not`() async throws {
        let place = try Workplace()
        #expect(try await place.run(["man", "nonsense"]).status == 3)
        #expect(try await place.run(["man", "--directory", "nowhere"]).status == 8)
        #expect(try await place.run(["man", "doctor", "--directory", "."]).status == 2)
    }

    @Test func `completion offers every command and the codes of errors`() async throws {
        let place = try Workplace()
        let names = try await place.commands()
        for shell in ["bash", "zsh", "fish"] {
            let script = try await place.run(["--generate-completion-script", shell]).output
            for words in names {
                guard let last = words.last else { continue }
                #expect(script.contains(last), "\(shell): \(words)")
            }
            #expect(script.contains("outcome_unknown"), "\(shell)")
            for option in ["--html", "--full", "--directory"] {
                #expect(
                    script.contains(option) || script.contains("l '\(option.dropFirst(2))'"),
                    "\(shell): \(option)")
            }
        }
    }
}
