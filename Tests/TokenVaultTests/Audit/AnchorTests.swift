import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

/// A log with a file anchor, and what somebody with the disk does to them.
private struct Anchored {
    let log: Log
    let file: String
    var test: TestVault { log.test }

    init(entries: Int = 20) async throws {
        log = try await Log(entries: entries)
        file = log.test.directory + "/anchor"
        let anchor = try await log.vault.anchors.add(.file, target: file)
        #expect(anchor.trouble == nil && anchor.lag == 0 && anchor.size > 20)
    }

    func note() throws -> String { try String(contentsOfFile: file, encoding: .utf8) }
    func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: file)) }
    func save(_ name: String) throws { try Self.copy(test.path, test.directory + "/" + name) }
    func bringBack(_ name: String) throws { try Self.copy(test.directory + "/" + name, test.path) }

    /// Only while nobody has the vault open: then all of it is in one file.
    private static func copy(_ from: String, _ to: String) throws {
        try #require(!FileManager.default.fileExists(atPath: from + "-wal"))
        try? FileManager.default.removeItem(atPath: to)
        try FileManager.default.copyItem(atPath: from, toPath: to)
    }

    func open(ignoringAnchors: Bool = false) async throws -> Vault {
        var configuration = VaultConfiguration.anchored(clock: test.clock)
        configuration.ignoresAnchors = ignoringAnchors
        return try await Vault.open(
            at: test.path, unlockedBy: .keyFile(path: test.keyFile), configuration: configuration)
    }

    /// More happens to the newest, and its anchor is told.
    func goOn() async throws {
        let vault = try await open()
        for index in 0..<3 { _ = try await vault.users.add("newest \(index)") }
        await vault.close()
    }

    func expectOpening() async {
        let refusal = await refusal()
        #expect(refusal == nil)
    }

    func expectRefusal() async {
        let refusal = await refusal()
        #expect(refusal?.code == .integrity)
    }

    /// What keeps the vault from being opened, or from being used once it is.
    func refusal() async -> VaultError? {
        do {
            let vault = try await open()
            do { _ = try await vault.clients.list() } catch {
                await vault.close()
                throw error
            }
            await vault.close()
            return nil
        } catch { return error as? VaultError }
    }
}

@Suite(.bounded, .ofFiles) struct `P6: an anchor finds a cut tail, an older file and another history` {
    @Test(.ofFiles) func `yesterday's file opens without an anchor and is refused with one`() async throws {
        let log = try await Log(entries: 20)
        await log.vault.close()
        let copy = log.test.directory + "/yesterday"
        try FileManager.default.copyItem(atPath: log.test.path, toPath: copy)
        await (try await log.test.reopen()).close()
        try FileManager.default.removeItem(atPath: log.test.path)
        try FileManager.default.copyItem(atPath: copy, toPath: log.test.path)
        // That is why anchors exist.
        await (try await log.test.reopen()).close()

        let anchored = try await Anchored()
        await anchored.log.vault.close()
        try anchored.save("yesterday")
        try await anchored.goOn()
        let newest = try anchored.note()
        try anchored.bringBack("yesterday")
        let refusal = try #require(await anchored.refusal())
        #expect(refusal.code == .integrity)
        #expect(refusal.message.contains("an older copy is in place of the newest"))

        // Whoever wants it all the same gets it, is told, and the evidence stays.
        let old = try await anchored.open(ignoringAnchors: true)
        let report = try await old.log.verify()
        #expect(report.places == ["anchors"])
        try await old.anchors.publishCheckpoint(isForced: true)
        #expect(try await old.anchors.list().map(\.trouble) == ["behind"])
        await old.close()
        #expect(try anchored.note() == newest)
    }

    @Test func `a log that was cut and signed before is refused`() async throws {
        let anchored = try await Anchored()
        let path = anchored.test.path
        let size = try await anchored.log.vault.auditSize()
        let head = try sqlite(
            path, "SELECT quote(root), quote(edge), last_time, quote(note) FROM audit_head")
        let parts = head.split(separator: "|", maxSplits: 3).map(String.init)
        try await anchored.log.grow(3)
        await anchored.log.vault.close()
        _ = try sqlite(
            path,
            "DELETE FROM audit_leaves WHERE id >= \(size); UPDATE audit_head SET size = \(size), root = \(parts[0]), edge = \(parts[1]), last_time = \(parts[2]), note = \(parts[3])"
        )
        let refusal = try #require(await anchored.refusal())
        #expect(refusal.code == .integrity && refusal.message.contains("the log has \(size)"))
    }

    @Test func `another history of the same vault is refused, however long it is`() async throws {
        let anchored = try await Anchored()
        await anchored.log.vault.close()
        try anchored.save("fork")
        try await anchored.goOn()
        try anchored.bringBack("fork")
        let fork = try await anchored.open(ignoringAnchors: true)
        for index in 0..<10 { _ = try await fork.users.add("user \(index)") }
        await fork.close()
        let refusal = try #require(await anchored.refusal())
        #expect(refusal.code == .integrity && refusal.message.contains("another history"))
    }

    @Test func `the anchors of two vaults, exchanged, are refused by both`() async throws {
        let (one, other) = (try await Anchored(), try await Anchored())
        await one.log.vault.close()
        await other.log.vault.close()
        let (first, second) = (try one.note(), try other.note())
        try one.write(second)
        try other.write(first)
        for anchored in [one, other] {
            let refusal = try #require(await anchored.refusal())
            #expect(refusal.code == .integrity && refusal.message.contains("another log"))
        }
        try one.write(first)
        await one.expectOpening()
    }

    @Test func `an anchor pointed elsewhere in the database is refused`() async throws {
        let anchored = try await Anchored()
        await anchored.log.vault.close()
        _ = try sqlite(anchored.test.path, "UPDATE anchors SET target = '/nowhere'")
        await anchored.expectRefusal()
        _ = try sqlite(anchored.test.path, "UPDATE anchors SET target = '\(anchored.file)'")
        _ = try sqlite(anchored.test.path, "PRAGMA foreign_keys = ON; DELETE FROM anchors")
        let vault = try await anchored.open()
        #expect(try await vault.log.verify().places.contains { $0.hasPrefix("anchors") })
        await vault.close()
    }

    @Test(arguments: ["", "tokenvault/", String(repeating: "a", count: 100_000), "gone", "directory", "pipe"])
    func `a file that tells nothing is a warning and is left alone`(_ content: String) async throws {
        let anchored = try await Anchored()
        await anchored.log.vault.close()
        if ["gone", "directory", "pipe"].contains(content) {
            unlink(anchored.file)
        } else {
            try anchored.write(content)
        }
        if content == "directory" { mkdir(anchored.file, 0o700) }
        if content == "pipe" { mkfifo(anchored.file, 0o600) }
        let vault = try await anchored.open()
        let report = try await vault.log.verify()
        #expect(report.isIntact && report.notes.count == 1, "\(report.notes)")
        try await vault.anchors.publishCheckpoint()
        #expect(try await vault.anchors.list().map(\.trouble) == [content == "gone" ? nil : "damaged"])
        await vault.close()
        if content == "gone" {
            #expect(try anchored.note().hasPrefix("tokenvault/"))
        } else if !["directory", "pipe"].contains(content) {
            #expect(try anchored.note() == content)
        }
    }
}

@Suite(.bounded) struct `P6: anchors outlive changes of keys and moves, and hold nothing up` {
    @Test(.ofFiles) func `what was told before the log's key was rotated still counts, and is soon replaced`()
        async throws
    {
        let anchored = try await Anchored()
        let before = try anchored.note()
        _ = try await anchored.log.vault.keys.rotate(.log)
        let report = try await anchored.log.vault.log.verify()
        #expect(report.isIntact && report.notes.contains { $0.contains("not its present one") })
        try await anchored.log.vault.anchors.publishCheckpoint()
        #expect(try anchored.note() != before)
        await anchored.log.vault.close()
        try anchored.save("rotated")
        await anchored.expectOpening()
        // Signed by a key that the database of before does not have, and found all the same.
        try anchored.bringBack("rotated")
        await anchored.expectRefusal()
    }

    @Test(.ofFiles) func `a copy elsewhere is compared and speaks for nobody`() async throws {
        let anchored = try await Anchored()
        await anchored.log.vault.close()
        let note = try anchored.note()
        try anchored.save("copy")
        let copy = try await Vault.open(
            at: anchored.test.directory + "/copy", unlockedBy: .keyFile(path: anchored.test.keyFile),
            configuration: .anchored(clock: anchored.test.clock))
        try await copy.anchors.publishCheckpoint(isForced: true)
        #expect(try await copy.anchors.list().map(\.trouble) == ["moved"])
        await copy.close()
        #expect(try anchored.note() == note)
        await anchored.expectOpening()
    }

    @Test(.ofFiles) func `a vault with anchors does not open where nothing compares it with them`()
        async throws
    {
        let anchored = try await Anchored()
        await anchored.log.vault.close()
        let note = try anchored.note()
        let configuration = VaultConfiguration(clock: anchored.test.clock)
        await #expect(throws: VaultError(.unavailable, "")) {
            try await Vault.open(
                at: anchored.test.path, unlockedBy: .keyFile(path: anchored.test.keyFile),
                configuration: configuration)
        }
        var ignoring = configuration
        ignoring.ignoresAnchors = true
        let vault = try await Vault.open(
            at: anchored.test.path, unlockedBy: .keyFile(path: anchored.test.keyFile), configuration: ignoring
        )
        _ = try await vault.users.add("unseen")
        await vault.close()
        #expect(try anchored.note() == note)
        await anchored.expectOpening()
    }

    @Test func `a directory that vanished is counted and comes back by itself`() async throws {
        let log = try await Log(entries: 1)
        let directory = log.test.directory + "/other"
        mkdir(directory, 0o700)
        _ = try await log.vault.anchors.add(.file, target: directory + "/anchor")
        try FileManager.default.removeItem(atPath: directory)
        try await log.grow(1)
        for _ in 0..<3 { try await log.vault.anchors.publishCheckpoint() }
        // The clock of this test stands still: the second and third time it was not due.
        #expect(try await log.vault.anchors.list().map(\.failures) == [1])
        #expect(try await log.vault.anchors.list().map(\.trouble) == ["unreachable"])
        mkdir(directory, 0o700)
        log.test.clock.advance(by: .seconds(2))
        try await log.vault.anchors.publishCheckpoint()
        #expect(try await log.vault.anchors.list().map(\.failures) == [0])
        #expect(try await log.vault.anchors.list().map(\.lag) == [0])
    }

    @Test func `a program gets the signed note; one that hangs is ended and writes go on`() async throws {
        let log = try await Log(entries: 1)
        let program = log.test.directory + "/hook"
        func write(_ body: String) throws {
            try Data("#!/bin/sh\n\(body)\n".utf8).write(to: URL(filePath: program))
            chmod(program, 0o700)
        }
        try write("cat > \(log.test.directory)/told")
        #expect(try await log.vault.anchors.add(.exec, target: program).trouble == nil)
        let told = try String(contentsOfFile: log.test.directory + "/told", encoding: .utf8)
        #expect(try await told == log.vault.log.checkpoint())

        try write("sleep 600 & sleep 600")
        try await log.grow(1)
        async let telling: Void = log.vault.anchors.publishCheckpoint()
        _ = try await log.vault.users.add("meanwhile")
        try await telling
        #expect(try await log.vault.anchors.list().map(\.trouble) == ["hung"])
        try write("exit 3")
        try await log.vault.anchors.publishCheckpoint(isForced: true)
        #expect(try await log.vault.anchors.list().map(\.trouble) == ["refused"])
        chmod(program, 0o777)
        try await log.vault.anchors.publishCheckpoint(isForced: true)
        #expect(try await log.vault.anchors.list().map(\.trouble) == ["denied"])
    }

    @Test(.ofFiles) func `what is no place for an anchor is refused, and changes nothing`() async throws {
        let log = try await Log(entries: 1)
        let directory = log.test.directory
        let size = try await log.vault.auditSize()
        for (kind, target, code): (AnchorKind, String, VaultError.Code) in [
            (.file, "anchor", .invalidInput), (.file, directory + "/no/anchor", .notFound),
            (.file, log.test.path, .alreadyExists), (.file, directory, .alreadyExists),
            (.exec, directory + "/none", .notFound), (.exec, directory, .invalidInput),
        ] {
            await #expect(throws: VaultError(code, ""), "\(target)") {
                try await log.vault.anchors.add(kind, target: target)
            }
        }
        let foreign = try await Anchored()
        await #expect(throws: VaultError(.integrity, "")) {
            try await log.vault.anchors.add(.file, target: foreign.file)
        }
        #expect(try await log.vault.auditSize() == size)
        await #expect(throws: VaultError(.notFound, "")) { try await log.vault.anchors.remove(99) }
    }
}
