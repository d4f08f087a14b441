import Foundation
import Synchronization
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody
import VaultStore

/// Runs each job of a task on a thread of its own, and counts them: one to begin with, and one after each suspension.
private final class JobCounter: TaskExecutor {
    private let jobs = Atomic<Int>(0)

    var count: Int { jobs.load(ordering: .acquiring) }

    func enqueue(_ job: consuming ExecutorJob) {
        jobs.wrappingAdd(1, ordering: .acquiringAndReleasing)
        let job = UnownedJob(job)
        BlockingThread.run { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    /// - Returns: the jobs that `body` took after the one it began in.
    func jobs(_ body: @escaping @Sendable () async throws -> Void) async throws -> Int {
        try await Task(executorPreference: self) { [self] in
            let before = count
            try await body()
            return count - before
        }.value
    }
}

@Suite(.bounded, .ofFiles) struct `A check of an access token never suspends` {
    @Test func `a thousand checks are made in one job, whatever the token`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let (good, revoked) = (try await party.begin(), try await party.begin())
        try await test.vault.grants.revoke(revoked.grant)
        let tokens = [
            good.pair.accessToken, revoked.pair.accessToken, try good.refreshToken,
            SecretBytes(copying: "tv_at_none"),
        ]
        let jobs = try await JobCounter().jobs {
            for number in 0..<1000 {
                let isValid = try await test.vault.validate(tokens[number % tokens.count]) != nil
                #expect(isValid == (number % tokens.count == 0))
            }
        }
        #expect(jobs == 0)
    }

    @Test func `the first check after another process changed the registry or a key is no other`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await test.reopen()
        for rotates in [false, true] {
            _ = try await test.vault.users.add("after \(rotates)")
            if rotates { _ = try await test.vault.keys.rotate(.handles) }
            let token = try await party.begin().pair.accessToken
            let jobs = try await JobCounter().jobs {
                let isValid = try await other.validate(token) != nil
                #expect(isValid)
            }
            #expect(jobs == 0, "\(rotates)")
        }
        await other.close()
    }

    /// Otherwise the others would prove nothing.
    @Test func `what waits for the writer or for another thread is counted`() async throws {
        let test = try await TestVault()
        let writes = try await JobCounter().jobs {
            for number in 0..<20 { _ = try await test.vault.users.add("user \(number)") }
        }
        #expect(writes > 0)
        let scans = try await JobCounter().jobs {
            for _ in 0..<20 { _ = try await test.vault.log.verify() }
        }
        #expect(scans > 0)
    }
}
