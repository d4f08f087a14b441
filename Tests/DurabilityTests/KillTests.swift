import Foundation
import TestSupport
import Testing
import TokenVault

extension Durability {
    @Suite(.serialized) struct `P1: a killed process loses nothing it acknowledged` {
        @Test func `kills at random moments under 32 swapping clients`() async throws {
            var random = SeededGenerator("kills")
            let rig = try Rig()
            var chains = try await rig.prepare(grants: 32)
            var acknowledged = 0
            for round in 1...Effort.rounds(20, nightly: 60) {
                let worker = try rig.worker(chains, limit: .max)
                // Some die while they open the vault, most between one swap and another.
                let last = round.isMultiple(of: 10) ? 0 : Int.random(in: 1...300, using: &random)
                let turns = Int.random(in: 0...2000, using: &random)
                var heard = 0
                func strike() {
                    for _ in 0..<turns { sched_yield() }
                    worker.signal(SIGKILL)
                }
                if last == 0 { strike() }
                for await line in worker.lines {
                    switch chains.note(line) {
                    case .ready: worker.send("go\n")
                    case .acknowledged:
                        heard += 1
                        if heard == last { strike() }
                    case let unexpected: Issue.record("\(unexpected)")
                    }
                }
                #expect(await worker.end() == .killed(by: SIGKILL))
                #expect(heard >= last)
                acknowledged += heard
                let vault = try await rig.open()
                try await chains.resume(in: vault)
                if round.isMultiple(of: 15) { try await vault.expectIntactLog("round \(round)") }
                await vault.close()
            }
            print("kills: \(acknowledged) acknowledged swaps, none lost")
        }

        /// Every write, sync and removal of one swap and of the closing after it is once the last thing the process
        /// does not get to do.
        @Test(arguments: [false, true])
        func `a kill at every system call of a swap leaves the old token or its successor`(isTorn: Bool)
            async throws
        {
            let rig = try Rig()
            var chains = try await rig.prepare(grants: 1)
            var call = 0
            var isKilled = true
            while isKilled, call < 500 {
                call += 1
                let environment = try await FaultyDisk.watching(
                    rig, ["DISK_KILL": "\(call)", "DISK_TEAR": isTorn ? "1" : "0"])
                let worker = try rig.worker(chains, limit: 1, environment: environment)
                for await line in worker.lines where chains.note(line) == .ready { worker.send("go\n") }
                let end = await worker.end()
                isKilled = end == .killed(by: SIGKILL)
                if !isKilled { #expect(end == .exited(0)) }
                let vault = try await rig.open()
                try await chains.resume(in: vault)
                try await vault.expectIntactLog("killed at call \(call)")
                await vault.close()
            }
            // A swap changes at least a grant, a leaf and the head, each a frame of two writes, and syncs.
            #expect(call > 10 && call < 500)
            print("a swap and a close are \(call - 1) calls; each was the last one")
        }
    }
}
