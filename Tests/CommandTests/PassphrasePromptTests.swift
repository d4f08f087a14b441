import Foundation
import TestSupport
import Testing

/// Passphrases asked for on a terminal.
@Suite("The passphrase prompt", .bounded)
struct PassphrasePromptTests {
    /// Runs `command` on a terminal, answers each prompt when it is there, and gives what the terminal showed.
    private func run(
        _ command: String, answering prompts: [(prompt: String, answer: String)], in place: Workplace
    ) async throws -> Ending {
        try place.write("unset TOKENVAULT_KEY_FILE\n\(command)\n", to: "command")
        // The prompt comes after the echo is off, so whoever waits for it is not read too early.
        let typing = prompts.map { prompt, answer in
            "until grep -q '\(prompt)' shown; do kill -0 $P || exit 99; done; printf '\(answer)' >&3"
        }
        try place.write(
            """
            mkfifo typed; : > shown
            # In the background Ctrl-C would be ignored, and what is ignored stays so.
            script --quiet --return --flush --command 'env --default-signal=INT sh ./command' /dev/null \
                < typed > shown & P=$!
            exec 3> typed
            \(typing.joined(separator: "\n"))
            status=0; wait $P || status=$?
            cat shown; rm typed; exit $status
            """, to: "session")
        return try await place.shell("sh ./session")
    }

    @Test func `is answered without echo, twice for a new vault`() async throws {
        let place = try Workplace()
        let made = try await run(
            "tokenvault init",
            answering: [
                ("New passphrase: ", "open sesame please\\n"), ("The same again: ", "open sesame please\\n"),
            ],
            in: place)
        #expect(made.status == 0, "\(made.output)")
        #expect(!made.output.contains("open sesame"))
        let opened = try await run(
            "tokenvault status", answering: [("Passphrase: ", "open sesame please\\n")], in: place)
        #expect(opened.status == 0, "\(opened.output)")
        #expect(opened.output.contains("schema:") && !opened.output.contains("open sesame"))
        let refused = try await run(
            "tokenvault status", answering: [("Passphrase: ", "open barley\\n")], in: place)
        #expect(refused.status == 5, "\(refused.output)")
    }

    @Test func `asks for a user's password, too`() async throws {
        let place = try await Workplace.withVault()
        let set = try await run(
            "export TOKENVAULT_KEY_FILE=K; tokenvault user add alice && tokenvault user set-password alice",
            answering: [
                ("New password: ", "correct horse\\n"), ("The same again: ", "correct horse\\n"),
            ],
            in: place)
        #expect(set.status == 0, "\(set.output)")
        #expect(set.output.contains("password:    set") && !set.output.contains("correct horse"))
        let short = try await run(
            "export TOKENVAULT_KEY_FILE=K; tokenvault user add bob --password-prompt",
            answering: [("New password: ", "short\\n"), ("The same again: ", "short\\n")], in: place)
        #expect(short.status == 2 && short.output.contains("too short"), "\(short.output)")
        #expect(try await !place.run(["user", "list"]).output.contains("bob"))
    }

    @Test func `refuses two that differ, and makes nothing`() async throws {
        let place = try Workplace()
        let refused = try await run(
            "tokenvault init",
            answering: [("New passphrase: ", "one thing\\n"), ("The same again: ", "another\\n")],
            in: place)
        #expect(refused.status == 2)
        #expect(refused.output.contains("The two passphrases differ."))
        #expect(!place.exists("V"))
    }

    @Test func `is left by Ctrl-C with 130, and the terminal shows what is typed again`() async throws {
        let place = try await Workplace.withVault()
        let left = try await run(
            "trap : INT; tokenvault status; status=$?; stty -a; exit $status",
            answering: [("Passphrase: ", "\\003")],
            in: place)
        #expect(left.status == 130, "\(left.output)")
        #expect(left.output.firstMatch(of: /\secho\s/) != nil)
    }

    @Test func `is not reached when there is no vault`() async throws {
        let refused = try await run("tokenvault status --vault nowhere", answering: [], in: Workplace())
        #expect(refused.status == 3)
        #expect(!refused.output.contains("Passphrase"))
    }
}
