import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Who did not make an anchor's draft leaves it alone` {
    private struct Scene {
        let log: Log
        let draft: String

        init() async throws {
            log = try await Log(entries: 1)
            let file = log.test.directory + "/anchor"
            _ = try await log.vault.anchors.add(.file, target: file)
            draft = file + ".partial"
            try await log.grow(1)
        }

        func trouble() async throws -> [String?] {
            try await log.vault.anchors.publishCheckpoint(isForced: true)
            return try await log.vault.anchors.list().map(\.trouble)
        }
    }

    @Test func `the draft of a process that writes the same file`() async throws {
        let scene = try await Scene()
        let other = open(scene.draft, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(other) }
        var lock = flock()
        (lock.l_type, lock.l_len) = (Int16(F_WRLCK), 1)
        // F_OFD_SETLK: a lock of this descriptor, as another process has one.
        let isLocked =
            withUnsafeMutablePointer(to: &lock) { fcntl(other, 37, UnsafeMutableRawPointer($0)) } == 0
        #expect(isLocked)
        #expect(try await scene.trouble() == ["busy"])
        var (own, named) = (stat(), stat())
        let isThere = fstat(other, &own) == 0 && lstat(scene.draft, &named) == 0 && own.st_ino == named.st_ino
        #expect(isThere)
    }

    @Test func `what was put where the draft would be`() async throws {
        let scene = try await Scene()
        #expect(symlink("/nowhere", scene.draft) == 0)
        #expect(try await scene.trouble() != [nil])
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scene.draft) == "/nowhere")
    }
}
