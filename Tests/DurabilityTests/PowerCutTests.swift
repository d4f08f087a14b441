import Foundation
import TestSupport
import Testing
import TokenVault

extension Durability {
    @Suite(.serialized) struct `P1: what was acknowledged survives a power cut` {
        @Test func `in states a disk may be left in, over three runs that close and open`() async throws {
            var random = SeededGenerator("power cuts")
            let rig = try Rig()
            let states = Effort.rounds(400, nightly: 1500)
            let report = try await record(
                rig, runs: 3, grants: 16, swaps: 8, states: states, samples: 20, seed: random.next())
            #expect(report.states == states && report.unsynced > states / 3)
            #expect(report.acknowledged == 3 * 16 * 8)
            #expect(report.problems == 0, "\(report.first)")
            try await openSamples(rig, 20)
        }

        @Test func `in states around a checkpoint under load`() async throws {
            var random = SeededGenerator("power cuts around a checkpoint")
            let rig = try Rig()
            // The WAL starts anew after 4,096 pages; 320 batches of 32 swaps change at least 16 each.
            let report = try await record(
                rig, runs: 1, grants: 32, swaps: 320, states: Effort.rounds(100, nightly: 600), samples: 8,
                seed: random.next(),
                isClosed: false)
            #expect(report.databaseWrites > 0, "no checkpoint was recorded")
            #expect(report.problems == 0, "\(report.first)")
            try await openSamples(rig, 8)
        }

        @Test func `with synchronous = NORMAL the same check finds losses`() async throws {
            var random = SeededGenerator("power cuts with NORMAL")
            let report = try await record(
                try Rig(), runs: 1, grants: 16, swaps: 8, states: 200, seed: random.next(),
                settings: ["DISK_NORMAL": "1"])
            #expect(report.unsynced > 100, "the disk was not watched")
            #expect(report.lost > 20)
        }

        /// Records runs of a worker and cuts the power over and over.
        private func record(
            _ rig: Rig, runs: Int, grants: Int, swaps: Int, states: Int, samples: Int = 0, seed: UInt64,
            isClosed: Bool = true, settings: [String: String] = [:]
        ) async throws -> FaultyDisk.Report {
            var chains = try await rig.prepare(grants: grants)
            let before = rig.directory + "/before"
            let trace = rig.directory + "/trace"
            try FileManager.default.copyItem(atPath: rig.path, toPath: before)
            let environment = try await FaultyDisk.watching(
                rig, settings.merging(["DISK_TRACE": trace]) { $1 })
            for _ in 0..<runs {
                let worker = try rig.worker(chains, limit: swaps, environment: environment)
                for await line in worker.lines {
                    switch chains.note(line) {
                    case .ready: worker.send("go\n")
                    // Closing copies the whole WAL: left out, what a run does by itself is seen.
                    case .other("swapped"): if !isClosed { worker.signal(SIGKILL) }
                    case .acknowledged, .other("done"): break
                    case let unexpected: Issue.record("\(unexpected)")
                    }
                }
                _ = await worker.end()
            }
            let report = try await FaultyDisk.cutPower(
                rig, trace: trace, before: before, states: states, seed: seed, samples: samples)
            print("power cuts: \(report)")
            return report
        }

        /// The vault itself opens what was left, finds its log intact, and answers every client.
        private func openSamples(_ rig: Rig, _ count: Int) async throws {
            let samples = try FaultyDisk.samples(rig)
            #expect(samples.count == count)
            for var sample in samples {
                let vault = try await rig.open(sample.vault)
                try await vault.expectIntactLog(sample.vault)
                try await sample.chains.resume(in: vault)
                try await vault.expectIntactLog(sample.vault)
                await vault.close()
            }
        }
    }
}
