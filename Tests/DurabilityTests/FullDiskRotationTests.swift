import Foundation
import Synchronization
import Testing
import TokenVault
import VaultCore
import VaultCrypto

extension Durability {
    @Suite(.serialized) struct `A disk that fills up in the middle of a rotation` {
        /// Each time somebody takes all the space a little later, the ballast's too once that is given up.
        @Test(.enabled(if: geteuid() == 0, "mounting a small disk is for root"))
        func `is 8 or 12 and a sentence each time, and with space the same command goes on to the end`()
            async throws
        {
            let place = NSTemporaryDirectory() + "/tokenvault-small-disk-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
            _ = try await run("mount", "-t", "tmpfs", "-o", "size=48m,mode=700", "tmpfs", place)
            do { try await rotate(in: place) } catch { Issue.record(error) }
            _ = try await run("umount", "-l", place)
            try FileManager.default.removeItem(atPath: place)
        }

        private func rotate(in place: String) async throws {
            let rig = try Rig(in: place)
            let vault = try await rig.create()
            var chains = try await Chains.begin(16, in: vault)
            try await withThrowingTaskGroup { group in
                for number in 0..<2500 { group.addTask { _ = try await vault.users.add("user \(number)") } }
                try await group.waitForAll()
            }
            await vault.close()

            var (full, unfinished) = (0, 0)
            for key in ["root", "--deep"] {
                for patience in [1, 3, 6, 12, 20, 40] {
                    let (end, said) = try await rotate(rig, key, hogAfter: patience)
                    switch end {
                    case .exited(let status) where [8, 12].contains(status):
                        full += 1
                        // 12 where a commit failed and there was no room to look whether it is there.
                        let code = status == 8 ? "out_of_space" : "outcome_unknown"
                        let failure = said.last { $0.contains("\"error\"") } ?? ""
                        #expect(failure.contains("\"\(code)\""), "\(said)")
                        #expect(failure.contains("\"remedy\":\""), "\(said)")
                    case let other: #expect(other == .exited(0), "\(key): \(said)")
                    }
                    if try await rig.rotationsBegun() > 0 { unfinished += 1 }
                    // Nothing is lost in between, whichever age of keys it is under.
                    let between = try await rig.open()
                    #expect(try await between.users.list(limit: 3000).count == 2501)
                    try await chains.resume(in: between)
                    await between.close()
                }
                let ended = try await rig.ended(["key", "rotate", key, "--json"])
                #expect(ended.end == .exited(0), "\(ended.complaints)")
                #expect(try await rig.rotationsBegun() == 0)
            }
            #expect(full > 1)
            #expect(unfinished > 0, "the disk never filled up in the middle")
            let again = try await rig.open()
            try await chains.resume(in: again)
            try await again.expectIntactLog()
            await again.close()
            print("full disk: \(full) rotations cut off, \(unfinished) of them in the middle")
        }

        /// Runs a rotation; after so many lines of progress the disk is full, and stays so until its end.
        private func rotate(_ rig: Rig, _ key: String, hogAfter patience: Int) async throws
            -> (ChildProcess.End, [String])
        {
            let child = try ChildProcess(
                [
                    "/bin/sh", "-c", "exec \"$0\" \"$@\" 2>&1", Rig.commandPath, "key", "rotate", key,
                    "--json",
                ],
                environment: ["TOKENVAULT_PATH": rig.path, "TOKENVAULT_KEY_FILE": rig.keyFile])
            var hog: SpaceHog?
            var said: [String] = []
            for await line in child.lines {
                said.append(line)
                if said.count == patience { hog = try SpaceHog(rig.directory + "/filler") }
            }
            let end = await child.end()
            hog?.leave()
            return (end, said)
        }
    }
}

/// Takes whatever space there is on a disk, at once and whenever some is given up, until it leaves.
private final class SpaceHog: Sendable {
    private let path: String
    private let descriptor: Int32
    private let isLeaving = Atomic(false)
    private let hasLeft = DispatchSemaphore(value: 0)

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        Thread { [self] in
            for size in [1 << 20, 1 << 12] { fill(size) }
            while !isLeaving.load(ordering: .relaxed) {
                fill(1 << 12)
                sched_yield()
            }
            hasLeft.signal()
        }.start()
    }

    func leave() {
        isLeaving.store(true, ordering: .relaxed)
        hasLeft.wait()
        close(descriptor)
        unlink(path)
    }

    private func fill(_ size: Int) {
        let zeros = [UInt8](repeating: 0, count: size)
        while write(descriptor, zeros, size) > 0 {}
    }
}
