import Foundation
import Testing
import VaultCore
import VaultCrypto

/// A program is trusted with a key, not with our time, memory or patience.
@Suite(.serialized) struct `Key programs` {
    private let root: GuardedKey
    private let vault: VaultID

    init() throws {
        root = try Chosen.key("root")
        vault = try Chosen.vault()
    }

    private func create(_ program: KeyProgram) throws -> KeyslotRecord {
        try Keyslot.create(.program(program), wrapping: root, epoch: 1, vault: vault)
    }

    private func failure(_ program: KeyProgram) throws -> VaultError? {
        do {
            _ = try create(program)
            return nil
        } catch let error as VaultError { return error }
    }

    @Test func `one that wraps and unwraps makes a slot that only it opens`() throws {
        let record = try create(ScriptedProgram.honest())
        #expect(record.kind == .program && record.parameters.count == 33)
        let opened = try Keyslot.open(record, with: .program(ScriptedProgram.honest()), vault: vault)
        #expect(opened.exposed == root.exposed)
        let liar = try ScriptedProgram.answering(key: Chosen.bytes("another key", 32))
        #expect(refusal { _ = try Keyslot.open(record, with: .program(liar), vault: vault) } == .locked)
    }

    @Test func `is told vault and slot, and reads nothing but one object`() throws {
        let told = CredentialDirectory.url.appending(path: UUID().uuidString).path()
        let record = try create(
            ScriptedProgram.script("cat > \(told); echo '{\"blob\":\"AAAA\"}'"))
        let question = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: told))) as? [String: Any])
        #expect(question["version"] as? Int == 1 && question["op"] as? String == "wrap")
        #expect(question["vault"] as? String == vault.description)
        #expect(question["slot"] as? String == Hex.encode(record.id))
        #expect((question["key"] as? String).flatMap { Data(base64Encoded: $0) }?.count == 32)
        #expect(question.count == 5)
        #expect(record.parameters == [1, 0, 0, 0])
    }

    @Test func `gets a small environment, no descriptor of ours, and a session of its own`() throws {
        setenv("TOKENVAULT_TEST_SECRET", "must not be seen", 1)
        defer { unsetenv("TOKENVAULT_TEST_SECRET") }
        // Without close-on-exec: as a careless library leaves it open.
        let careless = open("/etc/passwd", O_RDONLY)
        defer { close(careless) }
        let seen = CredentialDirectory.url.appending(path: UUID().uuidString).path()
        _ = try create(
            ScriptedProgram.script(
                """
                { env; ls -l /proc/$$/fd; cut -d' ' -f6 /proc/$$/stat; echo $$; } > \(seen)
                cat > /dev/null; echo '{"blob":"AAAA"}'
                """))
        let text = try String(contentsOfFile: seen, encoding: .utf8)
        let names = text.matches(of: /^([A-Z_]+)=/.anchorsMatchLineEndings()).map { String($0.1) }
        #expect(
            Set(names).subtracting(["PWD", "SHLVL", "_", "OLDPWD"]) == [
                "PATH", "LC_ALL", "CREDENTIALS_DIRECTORY",
            ])
        #expect(!text.contains("must not be seen") && !text.contains("/etc/passwd"), "\(text)")
        let last = text.split(separator: "\n").suffix(2)
        #expect(Set(last).count == 1, "session and process differ: \(last)")
    }

    @Test(arguments: [
        ("sleep 1000", VaultError.Code.unavailable, "did not end in time"),
        ("exec sleep 1000 >&-", .unavailable, "did not end in time"),
        ("trap '' TERM; sleep 1000 & exit 0", .unavailable, "did not end in time"),
        ("yes", .unavailable, "more than an answer may"), ("exit 3", .locked, "status 3"),
        ("kill -9 $$", .unavailable, "signal 9"),
    ])
    func `that hangs, floods or fails is stopped and reported`(
        _ body: String, _ code: VaultError.Code, _ words: String
    ) throws {
        // Long for a shell to start, short for whoever waits.
        let hangs = body.contains("sleep")
        let error = try failure(ScriptedProgram.script(body, deadline: .seconds(hangs ? 1 : 20)))
        #expect(error?.code == code && error?.message.contains(words) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        "", "{}", "hello", #"{"blob":""}"#, #"{"blob":"AAA"}"#, #"{"blob":"AA_-"}"#, #"{"blob":"AAAA"} x"#,
        #"{"blob":"AAAA","more":1}"#, #"{"key":"AAAA"}"#, #"{"blob":AAAA}"#, #"{"blob":"AAAA"#,
        #"[{"blob":"AAAA"}]"#,
        #"{"blob":"AA\u0041A"}"#, #"{"blob":"AA AA"}"#, #"{"blob":"AAAB=="}"#,
    ])
    func `that answers something else is refused, and not quoted`(_ answer: String) throws {
        let program = try ScriptedProgram.script("cat > /dev/null; printf '%s' '\(answer)'")
        let error = try failure(program)
        // The message names the program, whose directory has a random name.
        let message = error?.message.replacing(program.path, with: "") ?? ""
        #expect(error?.code == .unavailable && !message.contains("AAA"), "\(message)")
    }

    @Test func `an answer may have white space, and a blob its full length`() throws {
        let spaced = try create(ScriptedProgram.script(#"printf ' {\n "blob" :\t"AAAA" }\r\n\n'"#))
        #expect(spaced.parameters == [1, 0, 0, 0])
        for (count, fits) in [(4096, true), (4097, false)] {
            let program = try ScriptedProgram.python(
                "print(json.dumps({'blob': base64.b64encode(bytes(\(count))).decode()}))")
            if fits {
                #expect(try create(program).parameters.count == 4097)
            } else {
                #expect(try failure(program)?.code == .unavailable)
            }
        }
    }

    @Test(arguments: [0, 16, 31, 33, 64])
    func `a key of another length is no key`(_ count: Int) throws {
        let record = try create(ScriptedProgram.honest())
        let program = try ScriptedProgram.answering(key: [UInt8](repeating: 7, count: count))
        #expect(
            refusal { _ = try Keyslot.open(record, with: .program(program), vault: vault) } == .unavailable)
    }

    @Test func `is named absolutely, and nobody else may write it`() throws {
        #expect(refusal { _ = try KeyProgram(path: "bin/program") } == .invalidInput)
        let file = try CredentialDirectory.write(Array("#!/bin/sh\n".utf8), mode: 0o722)
        let open = try KeyProgram(path: file.path())
        #expect(try failure(open)?.code == .permissionDenied)
        #expect(try failure(KeyProgram(path: "/nowhere/program"))?.code == .notFound)
        #expect(try failure(KeyProgram(path: "/tmp"))?.code == .invalidInput)
        let plain = try CredentialDirectory.write(Array("no program".utf8), mode: 0o600)
        #expect(try failure(KeyProgram(path: plain.path()))?.code == .permissionDenied)
    }
}
