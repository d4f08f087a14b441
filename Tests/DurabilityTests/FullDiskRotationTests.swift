import Foundation
import Testing
import TokenVault
import VaultCore
import VaultCrypto

extension Durability {
    @Suite(.serialized) struct `A disk that fills up in the middle of a rotation` {
        /// Each time the rotation finds a little more room than the time before, so that it stops at many places.
        @Test(.enabled(if: geteuid() == 0, "mounting a small disk is for root"))
        func `is 8 and a sentence each time, and with space the same command goes on to the end`()
            async throws
        {
            let place = NSTemporaryDirectory() + "/tokenvault-small-disk-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
            _ = try await run("mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", place)
            do { try await rotate(in: place) } catch { Issue.record(error) }
            _ = try await run("umount", "-l", place)
            try FileManager.default.removeItem(atPath: place)
        }

        private func rotate(in place: String) async throws {
            let rig = try Rig(in: place)
            let vault = try await rig.create()
            var chains = try await Chains.begin(16, in: vault)
            for number in 0..<300 { _ = try await vault.addUser("user \(number)") }
            await vault.close()

            var (full, unfinished) = (0, 0)
            for key in ["root", "--deep"] {
                for kilobytes in [0, 64, 128, 256, 512, 1024] {
                    let filler = place + "/filler"
                    try? FileManager.default.removeItem(atPath: rig.path + ".ballast")
                    try fill(filler, leaving: off_t(kilobytes) * 1024)
                    let ended = try await rig.ended(["key", "rotate", key, "--json"])
                    try FileManager.default.removeItem(atPath: filler)
                    switch ended.end {
                    case .exited(8):
                        full += 1
                        #expect(ended.complaints.contains("\"out_of_space\""), "\(ended.complaints)")
                        #expect(ended.complaints.contains("\"remedy\":\""))
                    case let other: #expect(other == .exited(0), "\(key): \(ended.complaints)")
                    }
                    if try await rig.rotationsBegun() > 0 { unfinished += 1 }
                    // Nothing is lost in between, whichever age of keys it is under.
                    let between = try await rig.open()
                    #expect(try between.users().count == 301)
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
            print("full disk: \(full) rotations refused or cut off, \(unfinished) in the middle")
        }

        /// Writes zeros until the disk is full, then gives back `spare` bytes.
        private func fill(_ path: String, leaving spare: off_t) throws {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            try #require(descriptor >= 0)
            defer { close(descriptor) }
            let zeros = [UInt8](repeating: 0, count: 4096)
            while write(descriptor, zeros, zeros.count) > 0 {}
            try #require(errno == ENOSPC)
            ftruncate(descriptor, max(0, lseek(descriptor, 0, SEEK_END) - spare))
        }
    }
}
