import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCustody

@Suite(.bounded) struct `The log as tiles for other people's tools` {
    private func files(_ directory: String) throws -> [String: Data] {
        let walker = try #require(FileManager.default.enumerator(atPath: directory))
        var files: [String: Data] = [:]
        for case let name as String in walker {
            let path = "\(directory)/\(name)"
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
            if !isDirectory.boolValue { files[name] = try Data(contentsOf: URL(fileURLWithPath: path)) }
        }
        return files
    }

    @Test func `layout and content are those of tlog-tiles`() async throws {
        let log = try await Log(entries: 300)
        let directory = log.test.directory + "/tiles"
        let summary = try await log.vault.log.exportTiles(to: directory)
        let size = Int(summary.size)
        let rest = size - 256
        let files = try files(directory)
        #expect(
            Set(files.keys) == [
                "checkpoint", "tile/0/000", "tile/0/001.p/\(rest)", "tile/1/000.p/1", "tile/entries/000",
                "tile/entries/001.p/\(rest)",
            ])
        #expect(files["checkpoint"] == Data(try await log.checkpoint().utf8))
        #expect(files["tile/0/000"]?.count == 8192 && files["tile/1/000.p/1"]?.count == 32)
        var bundle = try #require(files["tile/entries/000"])
        for index in 0..<256 {
            let count = Int(bundle.removeFirst()) << 8 | Int(bundle.removeFirst())
            #expect(Array(bundle.prefix(count)) == (try await log.vault.log.entry(Int64(index)).leaf))
            bundle = Data(bundle.dropFirst(count))
        }
        #expect(bundle.isEmpty)
    }

    @Test func `run again it adds, and rewrites nothing`() async throws {
        let log = try await Log(entries: 200)
        let directory = log.test.directory + "/tiles"
        _ = try await log.vault.log.exportTiles(to: directory)
        #expect(try await log.vault.log.exportTiles(to: directory).filesWritten == 0)
        var known = try files(directory)
        for _ in 0..<4 {
            try await log.grow(130)
            _ = try await log.vault.log.exportTiles(to: directory)
            let now = try files(directory)
            for (name, content) in known where name != "checkpoint" && !name.contains(".p/") {
                #expect(now[name] == content, "\(name)")
            }
            known = now
        }
        // One that was made in one go has the same full tiles, and no partial tile that a full one replaces.
        let other = log.test.directory + "/other"
        _ = try await log.vault.log.exportTiles(to: other)
        let fresh = try files(other)
        for (name, content) in fresh { #expect(known[name] == content, "\(name)") }
        #expect(Set(known.keys).subtracting(fresh.keys).allSatisfy { $0.contains(".p/") })
        #expect(!known.keys.contains { $0.hasPrefix("tile/0/000.p") || $0.hasPrefix("tile/entries/000.p") })
    }

    @Test func `after its key was rotated the log goes on in the same directory`() async throws {
        let log = try await Log(entries: 300)
        let directory = log.test.directory + "/tiles"
        _ = try await log.vault.log.exportTiles(to: directory)
        for _ in 0..<2 {
            _ = try await log.vault.keys.rotate(.log)
            let size = try await log.vault.log.exportTiles(to: directory).size
            #expect(try await log.vault.auditSize() == size)
        }
        let checkpoint = try String(contentsOfFile: directory + "/checkpoint", encoding: .utf8)
        #expect(try await log.vault.log.checkpoint() == checkpoint)
        // The log's name alone is believed of nobody.
        let root = checkpoint.split(separator: "\n")[2]
        let forged = checkpoint.replacing(root, with: String(repeating: "A", count: 43) + "=")
        try Data(forged.utf8).write(to: URL(fileURLWithPath: directory + "/checkpoint"))
        await #expect(throws: VaultError(.integrity, "")) {
            try await log.vault.log.exportTiles(to: directory)
        }
    }

    @Test func `an interrupted export is taken up, also one that a power cut left in pieces`() async throws {
        let log = try await Log(entries: 300)
        let directory = log.test.directory + "/tiles"
        _ = try await log.vault.log.exportTiles(to: directory)
        let published = try Data(contentsOf: URL(fileURLWithPath: directory + "/checkpoint"))
        try FileManager.default.removeItem(atPath: directory + "/checkpoint")
        try FileManager.default.removeItem(atPath: directory + "/tile/entries/000")
        #expect(try await log.vault.log.exportTiles(to: directory).filesWritten == 1)

        // The export after the published one wrote its files, and lost what was in them.
        try await log.grow(300)
        _ = try await log.vault.log.exportTiles(to: directory)
        let whole = try files(directory)
        try published.write(to: URL(fileURLWithPath: directory + "/checkpoint"))
        let past = whole.keys.filter {
            $0.contains("/001") || $0.contains("/002") || $0 == "tile/1/000.p/2"
        }
        #expect(past.count == 5, "\(past)")
        for (number, name) in past.enumerated() {
            try Data([0, 0, 0].prefix(number % 4))
                .write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
        }
        #expect(try await log.vault.log.exportTiles(to: directory).filesWritten == past.count)
        #expect(try files(directory) == whole)
    }

    @Test func `what the checkpoint vouches for is never written over`() async throws {
        let log = try await Log(entries: 300)
        let directory = log.test.directory + "/tiles"
        let size = try await log.vault.log.exportTiles(to: directory).size
        for name in ["tile/1/000.p/1", "tile/0/001.p/\(size - 256)"] {
            let file = URL(fileURLWithPath: "\(directory)/\(name)")
            let content = try Data(contentsOf: file)
            try Data([1]).write(to: file)
            await #expect(throws: VaultError(.integrity, ""), "\(name)") {
                try await log.vault.log.exportTiles(to: directory)
            }
            #expect(try Data(contentsOf: file) == Data([1]))
            try content.write(to: file)
        }
        #expect(try await log.vault.log.exportTiles(to: directory).filesWritten == 0)
    }

    @Test(.ofFiles) func `another log's directory, and a damaged log, are refused`() async throws {
        let log = try await Log(entries: 300)
        let other = try await Log(entries: 1)
        let directory = log.test.directory + "/tiles"
        _ = try await log.vault.log.exportTiles(to: directory)
        await #expect(throws: VaultError(.integrity, "")) {
            try await other.vault.log.exportTiles(to: directory)
        }
        _ = try sqlite(
            log.test.path,
            "UPDATE audit_leaves SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"ok\"', '\"no\"') AS BLOB) WHERE id = 20"
        )
        let fresh = log.test.directory + "/fresh"
        await #expect(throws: VaultError(.integrity, "")) { try await log.vault.log.exportTiles(to: fresh) }
        #expect(!FileManager.default.fileExists(atPath: fresh + "/checkpoint"))
        _ = try sqlite(log.test.path, "UPDATE audit_tiles SET hash = zeroblob(32)")
        await #expect(throws: VaultError(.integrity, "")) {
            try await log.vault.log.exportTiles(to: directory)
        }
    }

    @Test func `a pruned log is exported from where it is kept`() async throws {
        let log = try await Log(entries: 600)
        let kept = log.test.directory + "/kept"
        _ = try await log.vault.log.exportTiles(to: kept)
        _ = try await log.vault.log.prune(log.vault.log.planPrune(keeping: .newest(10)))
        let summary = try await log.vault.log.exportTiles(to: log.test.directory + "/fresh")
        #expect(summary.firstKept == 512)
        let fresh = try files(log.test.directory + "/fresh")
        #expect(fresh["tile/0/000"] == nil && fresh["tile/entries/001"] == nil)
        #expect(fresh["tile/1/000.p/2"]?.count == 64)
        _ = try await log.vault.log.exportTiles(to: kept)
        #expect(try files(kept)["tile/0/000"] != nil)
    }
}
