import CBareLoop
import Foundation

/// The bound beside the vault: the same SQL and ciphers in C, and the disk alone.
enum BareLoop {
    static func measure(
        _ store: PopulatedVault, batches: [Int], seconds: Double, into report: inout Report
    ) throws {
        let copy = try store.copy()
        defer { copy.remove() }
        let rate = bare_sync_rate(copy.vault.directory + "/sync", seconds)
        guard rate > 0 else { throw BenchmarkFailure("The disk does not take 4 KiB.") }
        report.add(.syncs, rate)
        guard let loop = bare_loop_open(copy.vault.vaultPath) else {
            throw BenchmarkFailure("The bare loop does not open its copy of the vault.")
        }
        defer { bare_loop_close(loop) }
        for batch in batches {
            let rate = bare_loop_run(loop, Int32(batch), seconds)
            guard rate > 0 else {
                throw BenchmarkFailure("The bare loop failed: \(String(cString: bare_loop_error(loop))).")
            }
            report.add(.bound(grants: store.grants, batch: batch), rate)
        }
    }
}
