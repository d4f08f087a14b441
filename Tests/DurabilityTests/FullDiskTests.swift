import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore

extension Durability {
    @Suite(.serialized) struct `P9: a full disk refuses new work and nothing else` {
        @Test(
            .enabled(
                if: geteuid() == 0, "mounting a small disk is for root; a worker's disk is full in P9 above"))
        func `refreshes and revocations go on on a full disk, new work once there is space`() async throws {
            try await withSmallDisk { try await fillUp($0) }
        }

        /// The heartbeat of a service that found the disk full would give the reserve to whichever program fills the disk.
        @Test(.enabled(if: geteuid() == 0, "mounting a small disk is for root"))
        func `the reserve waits for a refresh: no heartbeat and no new work gives it up`() async throws {
            try await withSmallDisk { place in
                let rig = try Rig(in: place)
                let vault = try await rig.create()
                var chains = try await Chains.begin(4, in: vault)
                let client = try await vault.clients.find(Rig.client)
                let upkeep = Task { try await VaultService(vault, closesVault: false).run() }
                let filler = place + "/filler"
                try fill(filler, leaving: off_t(Limits.spaceForNewWork) / 2)
                #expect(try await Waiting.until { !vault.acceptsNewWork }, "a nearly full disk is noticed")
                try fill(filler)
                for _ in 0..<5 {
                    await #expect(throws: VaultError(.outOfSpace, "")) { try await vault.users.add("bob") }
                    await #expect(throws: VaultError(.outOfSpace, "")) { try await vault.proveWritePath() }
                }
                #expect(try reserve(of: rig) == Limits.ballastBytes)
                for _ in 0..<40 {
                    let failure = try await swapAll(&chains, vault, client)
                    #expect(failure == nil)
                }
                #expect(try reserve(of: rig) == 0)
                try FileManager.default.removeItem(atPath: filler)
                #expect(try await Waiting.until { vault.acceptsNewWork })
                #expect(try reserve(of: rig) == Limits.ballastBytes)
                _ = try await vault.users.add("bob")
                upkeep.cancel()
                _ = try? await upkeep.value
                try await chains.resume(in: vault)
                try await vault.expectIntactLog()
                await vault.close()
            }
        }

        private func withSmallDisk(_ body: (String) async throws -> Void) async throws {
            let place = NSTemporaryDirectory() + "/tokenvault-small-disk-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
            _ = try await run("mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", place)
            do { try await body(place) } catch { Issue.record(error) }
            _ = try await run("umount", "-l", place)
            try FileManager.default.removeItem(atPath: place)
        }

        private func reserve(of rig: Rig) throws -> Int64 {
            let size = try FileManager.default.attributesOfItem(atPath: rig.path + ".ballast")[.size] as? Int
            return Int64(try #require(size))
        }

        private func fillUp(_ place: String) async throws {
            let rig = try Rig(in: place)
            let vault = try await rig.create()
            var chains = try await Chains.begin(16, in: vault)
            let client = try await vault.clients.find(Rig.client)
            let filler = place + "/filler"
            try fill(filler)

            // From the reserve: some hundred refreshes after the last page that was free.
            while try reserve(of: rig) > 0 {
                let failure = try await swapAll(&chains, vault, client)
                try #require(failure == nil)
            }
            for _ in 0..<4 {
                let failure = try await swapAll(&chains, vault, client)
                #expect(failure == nil)
            }
            await #expect(throws: VaultError(.outOfSpace, "")) { try await vault.users.add("bob") }

            var refused: VaultError?
            var rounds = 0
            while refused == nil, rounds < 2000 {
                rounds += 1
                refused = try await swapAll(&chains, vault, client)
            }
            let refusal = try #require(refused)
            #expect(refusal.code == .outOfSpace)
            #expect(refusal.isTransient)
            // The ballast's space is freed; somebody else takes it all but for what a revocation needs.
            try fill(filler, leaving: 512 * 1024)

            await #expect(throws: VaultError(.outOfSpace, "")) { try await vault.users.add("bob") }
            let (grant, link) = try #require(chains.last.first)
            #expect(try await vault.grants.find(GrantID(grant)).state == .live)
            try await vault.grants.revoke(GrantID(grant))
            #expect(try await vault.grants.find(GrantID(grant)).state == .revoked)
            guard case .refused(.grantRevoked) = try await vault.refresh(link.token, client) else {
                Issue.record("a revoked grant was refreshed")
                return
            }
            chains.last[grant] = nil

            try FileManager.default.removeItem(atPath: filler)
            let deadline = ContinuousClock.now + .seconds(5)
            var added: User?
            while added == nil, ContinuousClock.now < deadline {
                do { added = try await vault.users.add("bob") } catch let error as VaultError {
                    #expect(error.code == .outOfSpace)
                    await Task.yield()
                }
            }
            #expect(added?.name == "bob")
            try await chains.resume(in: vault)
            try await vault.expectIntactLog()
            await vault.close()
            let again = try await rig.open()
            try await chains.resume(in: again)
            try await again.expectIntactLog()
            #expect(try await again.grants.find(GrantID(grant)).state == .revoked)
            await again.close()
        }

        /// Refreshes every chain once; the first error ends it.
        private func swapAll(_ chains: inout Chains, _ vault: Vault, _ client: Client) async throws
            -> VaultError?
        {
            for (grant, link) in chains.last {
                do {
                    let tokens = try #require(try await vault.refresh(link.token, client).issued)
                    chains.last[grant] = Chains.Link(generation: tokens.generation, token: tokens.text)
                } catch let error as VaultError { return error }
            }
            return nil
        }

        /// Writes zeros until the disk is full, then gives back `spare` bytes.
        private func fill(_ path: String, leaving spare: off_t = 0) throws {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            try #require(descriptor >= 0)
            defer { close(descriptor) }
            let zeros = [UInt8](repeating: 0, count: 4096)
            while write(descriptor, zeros, zeros.count) > 0 {}
            try #require(errno == ENOSPC)
            ftruncate(descriptor, lseek(descriptor, 0, SEEK_END) - spare)
        }
    }
}
