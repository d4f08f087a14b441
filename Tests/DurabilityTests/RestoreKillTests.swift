import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto
import VaultCustody

extension Durability {
    @Suite(.serialized) struct `A killed restore leaves a whole vault or none` {
        private static let kills = Effort.rounds(8, nightly: 24)

        private struct Scene {
            let rig: Rig
            let backup: BackupRequest

            /// A vault whose backup is behind it by a disabled user and a refreshed grant.
            init() async throws {
                rig = try Rig()
                backup = BackupRequest(path: rig.directory + "/data", keysPath: rig.directory + "/keys")
                let vault = try await rig.create()
                var chains = try await Chains.begin(8, in: vault)
                try await withThrowingTaskGroup { group in
                    for number in 0..<400 {
                        group.addTask { _ = try await vault.users.add("user \(number)") }
                    }
                    try await group.waitForAll()
                }
                _ = try await vault.backups.make(backup)
                try await vault.users.disable("user 17")
                try await chains.resume(in: vault)
                await vault.close()
            }

            func restore(to path: String) throws -> ChildProcess {
                try rig.command([
                    "restore", "--apply", "--from", backup.path, "--keys", backup.keysPath ?? "", "--log",
                    rig.path, "--vault", path, "--key-file", rig.keyFile,
                ])
            }

            func expectWhole(_ path: String, _ place: Comment) async throws {
                let vault = try await rig.open(path)
                #expect(try await vault.users.find("user 17").state == .disabled, place)
                #expect(try await vault.users.list().count == 401, place)
                try await vault.expectIntactLog("\(place)")
                await vault.close()
                #expect(!FileManager.default.fileExists(atPath: path + "-wal"), place)
            }
        }

        @Test func `at random moments, and just as the vault gets its name`() async throws {
            var random = SeededGenerator("restores")
            let scene = try await Scene()
            let begun = ContinuousClock.now
            let whole = scene.rig.directory + "/whole"
            #expect(try await scene.restore(to: whole).end() == .exited(0))
            let span = begun.duration(to: .now)
            try await scene.expectWhole(whole, "without a kill")

            var (kills, found) = (0, 0)
            for round in 0..<(2 * Self.kills) where kills < Self.kills {
                let path = scene.rig.directory + "/restored-\(round)"
                let process = try scene.restore(to: path)
                let end = Task { await process.end() }
                if round.isMultiple(of: 4) {
                    // Bounded by the life of the process.
                    while access(path, F_OK) != 0, kill(process.id, 0) == 0 { await Task.yield() }
                } else {
                    try await Waiting.pass(span * Double.random(in: 0...1, using: &random))
                }
                process.signal(SIGKILL)
                if await end.value == .killed(by: SIGKILL) { kills += 1 }
                let isThere = access(path, F_OK) == 0
                if isThere {
                    found += 1
                    try await scene.expectWhole(path, "round \(round)")
                }
                let again = try await scene.restore(to: path).end()
                #expect(again == .exited(isThere ? 4 : 0), "round \(round)")
                if !isThere { try await scene.expectWhole(path, "round \(round), again") }
                #expect(access(path + ".restoring", F_OK) != 0, "round \(round)")
                for suffix in ["", ".lock", ".ballast"] { unlink(path + suffix) }
            }
            #expect(kills == Self.kills)
            print("restores: \(kills) kills, \(found) when the vault had its name")
            let left = try FileManager.default.contentsOfDirectory(atPath: scene.rig.directory)
            #expect(left.filter { $0.hasPrefix("restored") } == [])
        }
    }
}
