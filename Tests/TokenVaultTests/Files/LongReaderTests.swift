import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

/// A `sqlite3` shell that reads an old state of a vault until it is closed.
private final class LongReader {
    private let stream: UnsafeMutablePointer<FILE>

    init(_ test: TestVault) async throws {
        stream = try #require(popen("sqlite3 '\(test.path)' > /dev/null", "we"))
        let sign = test.directory + "/reads"
        fputs("BEGIN;\nSELECT count(*) FROM owners;\n.shell touch '\(sign)'\n", stream)
        fflush(stream)
        while !FileManager.default.fileExists(atPath: sign) { await Task.yield() }
    }

    func close() { pclose(stream) }
}

@Suite(.bounded) struct `A long reader delays only who needs it to end` {
    enum Work: String, CaseIterable, Sendable {
        case erase, root, deep

        func run(_ test: TestVault) async throws {
            switch self {
            case .erase: _ = try await test.vault.users.erase("bob")
            case .root: _ = try await test.vault.keys.rotateRoot()
            case .deep: _ = try await test.vault.keys.rotateDeeply(openedBy: .keyFile(path: test.keyFile))
            }
        }
    }

    @Test(.ofFiles, arguments: Work.allCases)
    func `what empties the WAL ends as busy within seconds, and refreshes go on`(_ work: Work) async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await test.vault.users.add("bob")
        var tokens = try await party.begin()
        let reader = try await LongReader(test)
        let isOver = Flag()
        let outcome = Task {
            defer { isOver.set() }
            try await work.run(test)
        }
        var slowest = Duration.zero
        while !isOver.isSet {
            let start = ContinuousClock.now
            tokens = try #require(try await party.refresh(tokens.refreshToken).issued)
            slowest = max(slowest, ContinuousClock.now - start)
        }
        await #expect(throws: VaultError(.busy, "")) { try await outcome.value }
        // A wait for the reader was five seconds.
        #expect(slowest < .seconds(4))
        reader.close()
        #expect(try await test.vault.log.verify().isIntact)
        await test.vault.close()
    }

    @Test func `a program that writes without the lock is waited for, and then everything is written`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let stream = try #require(popen("sqlite3 '\(test.path)' > /dev/null", "we"))
        let sign = test.directory + "/writes"
        fputs("BEGIN IMMEDIATE;\n.shell touch '\(sign)'\n", stream)
        fflush(stream)
        while !FileManager.default.fileExists(atPath: sign) { await Task.yield() }
        async let refreshed = party.refresh(tokens.refreshToken)
        while test.vault.queueDepth > 0 { await Task.yield() }
        pclose(stream)
        #expect(try await refreshed.issued != nil)
    }
}
