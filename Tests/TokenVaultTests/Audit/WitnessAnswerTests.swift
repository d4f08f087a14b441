import Foundation
import MerkleLog
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `P6: nothing that a witness did not sign is believed` {
    @Test(
        .ofFiles,
        arguments: [
            (200, "", "unsigned"), (200, "ok\n", "unsigned"),
            (200, "— witness.example/w1 AAAAAQID\n", "unsigned"),
            (404, "", "unknown"), (403, "", "untrusted"), (422, "", "differs"), (400, "", "refused"),
            (301, "", "refused"), (302, "7\n", "refused"), (204, "", "refused"), (500, "", "unavailable"),
            (503, "", "unavailable"), (429, "", "unavailable"), (409, "", "garbled"), (409, "\n", "garbled"),
            (409, "007\n", "garbled"), (409, "7", "garbled"), (409, "-7\n", "garbled"),
            (409, "7 \n", "garbled"),
            (409, "7\n\n", "garbled"), (409, "<html>\n", "garbled"),
            (409, "99999999999999999999999999\n", "garbled"), (409, "18446744073709551616\n", "garbled"),
            (409, "18446744073709551615\n", "behind"), (409, "9223372036854775808\n", "behind"),
            (409, "1000000\n", "behind"),
            // It says the same whatever it is sent.
            (409, "3\n", "busy"), (409, "0\n", "busy"),
        ])
    func `an answer is taken for what it is`(_ status: Int, _ body: String, _ word: String) async throws {
        let log = try await Witnessed()
        log.witness.script { _ in ModelWitness.reply(status, body) }
        let added = try await log.add()
        #expect(added.trouble == word && added.size == 0 && added.anchoredAt == nil)
        #expect(log.witness.requests.count <= Limits.witnessAttempts)
        // The log goes on, and the witness's answer comes later.
        log.witness.script(nil)
        #expect(try await log.trouble() == nil)
        await log.vault.close()
    }

    @Test(
        .ofFiles,
        arguments: [
            (WitnessTransportFailure.unreachable, "unreachable"), (.tls, "tls"), (.hung, "hung"),
            (.garbled, "garbled"),
        ])
    func `no answer is counted`(_ failure: WitnessTransportFailure, _ word: String) async throws {
        let log = try await Witnessed()
        log.witness.script { _ throws(WitnessTransportFailure) in throw failure }
        #expect(try await log.add().trouble == word)
        #expect(try await log.vault.anchors.list().map(\.failures) == [1])
        await log.vault.close()
    }

    @Test(.ofFiles)
    func `another key's cosignature, one of an older checkpoint, and one of another log are none`()
        async throws
    {
        let log = try await Witnessed()
        try await log.add()
        let older = log.witness.cosignature(try await log.body())
        try await log.grow(1)
        let stranger = try ModelWitness()
        let body = try await log.body()
        for answer in [
            older, stranger.cosignature(body),
            log.witness.cosignature(body.replacing("tokenvault", with: "other")),
            log.witness.cosignature(body) + older, log.witness.cosignature(body + "extension\n"),
        ] {
            log.witness.script { _ in ModelWitness.reply(200, answer) }
            #expect(try await log.trouble() == "unsigned")
        }
        let good =
            stranger.cosignature(body).replacing(ModelWitness.name, with: "a.example")
            + log.witness.cosignature(body)
        log.witness.script { _ in ModelWitness.reply(200, good) }
        #expect(try await log.trouble() == nil)
        await log.vault.close()
    }

    @Test(.ofFiles) func `the kept file has the newest cosigned checkpoint, and replaces nothing else`()
        async throws
    {
        let log = try await Witnessed()
        let file = log.test.directory + "/cosigned"
        try await log.add(keptAt: file)
        func text() throws -> String { try String(contentsOfFile: file, encoding: .utf8) }
        let first = try text()
        #expect(try await first == log.vault.log.checkpoint() + log.witness.cosignature(log.body()))
        // What was not cosigned does not come there.
        log.witness.script { _ in ModelWitness.reply(422) }
        try await log.grow(1)
        #expect(try await log.trouble() == "differs")
        #expect(try text() == first)
        log.witness.script(nil)
        #expect(try await log.trouble() == nil)
        #expect(try text() != first)
        // It is a checkpoint as any other.
        #expect(try await log.vault.log.verify(since: first).isIntact)

        try Data("precious".utf8).write(to: URL(filePath: file))
        #expect(try await log.trouble() == "damaged")
        #expect(try await log.vault.log.verify().notes.isEmpty)
        #expect(try text() == "precious")
        let stranger = try await Log(entries: 1).checkpoint()
        try Data(stranger.utf8).write(to: URL(filePath: file))
        #expect(try await log.trouble() == "foreign")
        #expect(try text() == stranger)
        await log.vault.close()
    }

    @Test(.ofFiles) func `a checkpoint for outsiders has the lines of all who cosigned it`() async throws {
        let log = try await Witnessed()
        let file = log.test.directory + "/precious"
        try Data("precious".utf8).write(to: URL(filePath: file))
        try await log.add()
        let (note, missing) = try await log.vault.anchors.cosignedCheckpoint()
        #expect(missing.isEmpty)
        #expect(try await note == log.vault.log.checkpoint() + log.witness.cosignature(log.body()))
        let read = try SignedNote.parse(Array(note.utf8))
        #expect(read.isSigned(by: try #require(NoteKey(vkey: log.vault.log.verifierKey))))
        log.witness.script { _ in ModelWitness.reply(503) }
        let without = try await log.vault.anchors.cosignedCheckpoint()
        #expect(
            try await without.note == log.vault.log.checkpoint()
                && without.missing.map(\.trouble) == ["unavailable"])
        await log.vault.close()
    }

    @Test(.ofFiles) func `what is no witness is refused, and changes nothing`() async throws {
        let log = try await Witnessed()
        let precious = log.test.directory + "/precious"
        try Data("precious".utf8).write(to: URL(filePath: precious))
        let size = try await log.vault.auditSize()
        let (url, key) = ("https://witness.example", log.witness.key.vkey)
        for (url, key, path, code): (String, String, String?, VaultError.Code) in [
            (url, log.vault.log.verifierKey, nil, .invalidInput), (url, "", nil, .invalidInput),
            (url, String(key.dropLast()), nil, .invalidInput), (url, key, "relative", .invalidInput),
            (url, key, precious, .alreadyExists), (url, key, log.test.directory + "/no/file", .notFound),
            (url + String(repeating: "/a", count: 600), key, nil, .invalidInput),
        ] {
            await #expect(throws: VaultError(code, ""), "\(url) \(key) \(path ?? "")") {
                try await log.vault.anchors.addWitness(at: url, key: key, keptAt: path)
            }
        }
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await log.vault.anchors.add(.witness, target: "/somewhere")
        }
        #expect(try await log.vault.auditSize() == size && log.witness.requests.isEmpty)
        try await log.add()
        await #expect(throws: VaultError(.alreadyExists, "")) {
            try await log.vault.anchors.addWitness(at: url + "/", key: key)
        }
        await log.vault.close()
    }

    @Test(.ofFiles) func `a key exchanged in the database is found`() async throws {
        let log = try await Witnessed()
        try await log.add()
        await log.vault.close()
        let other = try ModelWitness().key.vkey
        _ = try sqlite(
            log.test.path,
            "UPDATE anchors SET parameters = replace(parameters, '\(log.witness.key.vkey)', '\(other)')")
        await #expect(throws: VaultError(.integrity, "")) {
            let vault = try await log.reopen()
            defer { Task { await vault.close() } }
            _ = try await vault.anchors.list()
        }
    }
}
