import Foundation
import TestSupport
import Testing
import TokenVault

extension Durability {
    @Suite(.serialized) struct `P9: a failing disk answers with the truth` {
        @Test(arguments: [1, 2, 3, 7, 12])
        func `one failed sync costs nobody a token, and no answer is wrong after a power cut`(
            at sync: Int
        ) async throws {
            let outcome = try await fail(["DISK_FAIL_SYNC": "\(sync)"])
            #expect(outcome.finished == 8)
            #expect(outcome.failures.allSatisfy { $0 == "io_failure" }, "\(outcome.failures)")
        }

        @Test(arguments: [1, 2, 3, 7, 12])
        func `a failed sync beside another process that has the vault open`(at sync: Int) async throws {
            let outcome = try await fail(["DISK_FAIL_SYNC": "\(sync)"], hasNeighbour: true)
            #expect(outcome.finished == 8)
            // The neighbour keeps the index of the WAL, so the commit is not found and is said not to be there.
            #expect(!outcome.failures.isEmpty && outcome.failures.allSatisfy { $0 == "io_failure" })
            #expect(outcome.report.denials == outcome.failures.count)
        }

        @Test(arguments: [1, 2, 5, 40])
        func `one failed write is a failure of its batch, and the next one works`(at write: Int) async throws
        {
            let outcome = try await fail(["DISK_FAIL_WRITE": "\(write)"])
            #expect(outcome.finished == 8)
            #expect(!outcome.failures.isEmpty && outcome.failures.allSatisfy { $0 == "io_failure" })
        }

        @Test func `a second failure stays down until the vault is opened again`() async throws {
            let outcome = try await fail(["DISK_FAIL_WRITE": "30,80"])
            #expect(outcome.finished == 0)
            #expect(outcome.failures.contains("io_failure") && outcome.failures.contains("outcome_unknown"))
            #expect(
                Set(outcome.failures).isSubset(of: ["io_failure", "outcome_unknown", "unavailable"]),
                "\(outcome.failures)")
            #expect(outcome.swapsAfterUnknown == 0)
        }

        @Test func `a sync that fails again while the outcome is found out stays down too`() async throws {
            let outcome = try await fail(["DISK_FAIL_SYNC": "5,6"])
            #expect(outcome.finished == 0 && outcome.failures.contains("outcome_unknown"))
            #expect(outcome.swapsAfterUnknown == 0)
        }

        @Test(arguments: ["1-1", "9-9"])
        func `a refresh that finds the disk full is made in the space kept back`(range: String) async throws {
            let outcome = try await fail(["DISK_FULL": range])
            #expect(outcome.failures.isEmpty && outcome.finished > 0, "\(outcome.failures)")
        }

        @Test func `writes that find the disk full again are refused as such, and what was there stays`()
            async throws
        {
            let outcome = try await fail(["DISK_FULL": "30-40"])
            #expect(!outcome.failures.isEmpty && outcome.failures.allSatisfy { $0 == "out_of_space" })
        }

        private struct Outcome {
            var failures: [String] = []
            /// Chains that made all their swaps.
            var finished = 0
            /// Swaps by a chain that had been told that the outcome is unknown: the vault should be down then.
            var swapsAfterUnknown = 0
            var report: FaultyDisk.Report
        }

        private static let swaps: UInt32 = 20

        /// Runs a worker on a disk that fails as told.
        ///
        /// Whatever it says must be so: for the client that asks again, after opening the vault anew, and after a
        /// power cut.
        private func fail(_ settings: [String: String], hasNeighbour: Bool = false) async throws -> Outcome {
            var random = SeededGenerator("failing disk \(settings)")
            let rig = try Rig()
            var chains = try await rig.prepare(grants: 8)
            let first = chains
            let before = rig.directory + "/before"
            let trace = rig.directory + "/trace"
            try FileManager.default.copyItem(atPath: rig.path, toPath: before)
            let neighbour = try await hasNeighbour ? openNeighbour(rig, trace) : nil
            let worker = try rig.worker(
                chains, limit: Int(Self.swaps),
                environment: try await FaultyDisk.watching(
                    rig, settings.merging(["DISK_TRACE": trace]) { $1 }))
            var failures: [String] = []
            var swapsAfterUnknown = 0
            var denied: Set<Int64> = []
            var unknown: Set<Int64> = []
            for await line in worker.lines {
                switch chains.note(line) {
                case .ready: worker.send("go\n")
                case .acknowledged(let grant):
                    denied.remove(grant)
                    if unknown.contains(grant) { swapsAfterUnknown += 1 }
                case .replayed(let grant):
                    #expect(
                        !denied.contains(grant), "grant \(grant) had changed though it was said not to have")
                case .failed(let grant, let code):
                    failures.append(code)
                    if code == "outcome_unknown" { unknown.insert(grant) }
                    if code == "io_failure" || code == "out_of_space" { denied.insert(grant) }
                case .other("swapped"), .other("done"): break
                case let unexpected: Issue.record("\(unexpected)")
                }
            }
            #expect(await worker.end() == .exited(0))
            if let neighbour {
                neighbour.signal(SIGKILL)
                _ = await neighbour.end()
            }
            let finished = chains.last.filter {
                $1.generation >= (first.last[$0]?.generation ?? 0) + Self.swaps
            }.count
            let report = try await FaultyDisk.cutPower(
                rig, trace: trace, before: before, states: 200, seed: random.next())
            #expect(report.problems == 0, "\(report.first)")
            let vault = try await rig.open()
            try await chains.resume(in: vault)
            try await vault.expectIntactLog()
            await vault.close()
            return Outcome(
                failures: failures, finished: finished, swapsAfterUnknown: swapsAfterUnknown, report: report)
        }

        /// A process that has the vault open and does nothing.
        private func openNeighbour(_ rig: Rig, _ trace: String) async throws -> ChildProcess {
            let environment = try await FaultyDisk.watching(rig, ["DISK_TRACE": trace])
            let neighbour = try rig.worker(Chains(), limit: 0, environment: environment)
            for await line in neighbour.lines where line == "ready" { break }
            return neighbour
        }
    }
}
