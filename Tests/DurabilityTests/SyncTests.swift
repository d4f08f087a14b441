import Foundation
import Testing

extension Durability {
    @Suite(.serialized) struct `P1: an acknowledged commit was synced before` {
        @Test func `between the last write to the WAL and the answer lies a sync that returned`() async throws
        {
            let log = try await systemCalls(of: 60, [:])
            #expect(log.acknowledged == 60)
            #expect(log.withoutWrite == 0, "an answer without a write before it")
            #expect(log.withoutSync == 0)
        }

        @Test func `with synchronous = NORMAL the same check finds answers given too early`() async throws {
            let log = try await systemCalls(of: 60, ["DISK_NORMAL": "1"])
            #expect(log.acknowledged == 60)
            #expect(log.withoutSync > 50)
        }

        private func systemCalls(of swaps: Int, _ settings: [String: String]) async throws -> SystemCallLog {
            let rig = try Rig()
            var chains = try await rig.prepare(grants: 1)
            let file = rig.directory + "/calls"
            let worker = try rig.worker(
                chains, limit: swaps, environment: try await FaultyDisk.environment(rig, settings),
                under: [
                    "strace", "-f", "-y", "-s", "16", "-e", "trace=pwrite64,write,fdatasync,fsync", "-o",
                    file,
                ])
            for await line in worker.lines where chains.note(line) == .ready { worker.send("go\n") }
            #expect(await worker.end() == .exited(0))
            return SystemCallLog(try String(contentsOfFile: file, encoding: .utf8))
        }
    }
}

/// What strace saw of a process that swaps one token at a time.
private struct SystemCallLog {
    private(set) var acknowledged = 0
    private(set) var withoutSync = 0
    private(set) var withoutWrite = 0

    init(_ text: String) {
        var isSynced = true
        var writes = 0
        var syncing: Set<Substring> = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard words.count == 2 else { continue }
            let call = words[1].drop { $0 == " " }
            let isOfWAL = call.contains("-wal>")
            if call.hasPrefix("pwrite64("), isOfWAL {
                isSynced = false
                writes += 1
            } else if call.hasPrefix("fdatasync(") || call.hasPrefix("fsync("), isOfWAL {
                if call.hasSuffix("= 0") { isSynced = true } else { syncing.insert(words[0]) }
            } else if call.contains("sync resumed>"), syncing.remove(words[0]) != nil {
                if call.hasSuffix("= 0") { isSynced = true }
            } else if call.hasPrefix("write(1"), call.contains("\"ack ") {
                acknowledged += 1
                if !isSynced { withoutSync += 1 }
                if writes == 0 { withoutWrite += 1 }
                writes = 0
            }
        }
    }
}
