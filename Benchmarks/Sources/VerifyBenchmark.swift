import TokenVault
import VaultAudit

/// Entries of the log verified per second, with every row and its tag, as `audit verify` does it.
struct VerifyBenchmark {
    private let store: PopulatedVault

    init(_ store: PopulatedVault) { self.store = store }

    func measure(into report: inout Report) async throws {
        let copy = try store.copy()
        defer { copy.remove() }
        let vault = try await copy.vault.open()
        let checkpoint = try await vault.log.checkpoint()
        let start = ContinuousClock.now
        let found = try await vault.log.verify()
        let seconds = start.duration(to: .now) / .seconds(1)
        guard found.isIntact else { throw BenchmarkFailure("the populated vault does not verify") }
        Console.note("  \(found.size) entries and \(found.rows) rows verified in \(seconds) s")
        report.add(.verified(grants: store.grants), Double(found.size) / seconds)
        let since = ContinuousClock.now
        _ = try await vault.log.verify(since: checkpoint)
        report.add(.verifiedSince(grants: store.grants), since.duration(to: .now) / .milliseconds(1))
        await vault.close()
    }
}
