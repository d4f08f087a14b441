import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto

extension Durability {
    @Suite(.serialized) struct `Two operators at once: each ends with 0 or a sentence, and every key opens` {
        /// What two people type at about the same moment; `NEW` is a keyslot of this round, `OLD` of the round before.
        private static let pairs: [([String], [String])] = [
            (["rotate", "root"], ["rotate", "root"]),
            (["rotate", "root"], ["rotate", "--deep"]),
            (["rotate", "--deep"], ["rotate", "--deep"]),
            (["slot", "add", "--name", "NEW", "--new-key-file", "NEW.key", "--create"], ["rotate", "root"]),
            (["slot", "remove", "OLD", "--confirm", "OLD"], ["rotate", "root"]),
            (
                ["slot", "add", "--name", "NEW", "--new-key-file", "NEW.key", "--create"],
                ["rotate", "--deep"]
            ),
            (["slot", "remove", "OLD", "--confirm", "OLD"], ["rotate", "--deep"]),
            (["rotate", "rows"], ["rotate", "--deep"]),
        ]

        @Test func `rounds at random distances`() async throws {
            var random = SeededGenerator("two operators")
            let rig = try Rig()
            let vault = try await rig.create()
            for number in 0..<60 { _ = try await vault.users.add("user \(number)") }
            await vault.close()
            var slots = ["first": rig.keyFile]
            var statuses: [String: Int] = [:]
            for round in 0..<Effort.rounds(8, nightly: 24) {
                let pair = Self.pairs[round % Self.pairs.count]
                let old = slots.keys.filter { $0 != "first" }.min()
                let new = "slot-\(round)"
                func words(_ command: [String]) -> [String] {
                    let others = command.contains("--deep") ? slots.values.filter { $0 != rig.keyFile } : []
                    return ["key"]
                        + command.map {
                            $0.replacing("NEW.key", with: rig.directory + "/\(new).key")
                                .replacing("NEW", with: new).replacing("OLD", with: old ?? "nothing")
                        } + others.flatMap { ["--also-key-file", $0] } + ["--json"]
                }
                let first = try rig.command(words(pair.0), complaints: "first.log")
                try await Waiting.pass(.milliseconds(Int.random(in: 0...400, using: &random)))
                let second = try rig.command(words(pair.1), complaints: "second.log")
                let ends = await [
                    rig.ended(first, complaints: "first.log"), rig.ended(second, complaints: "second.log"),
                ]
                for (ended, command) in zip(ends, [pair.0, pair.1]) {
                    // An addition that had to give way left this round no slot to remove.
                    if command.contains("remove"), old == nil, ended.end == .exited(3) { continue }
                    expectKnownEnd(ended, command, "round \(round): \(pair)")
                    statuses["\(ended.end)", default: 0] += 1
                }
                if pair.0.contains("add"), ends[0].end == .exited(0) {
                    slots[new] = rig.directory + "/\(new).key"
                }
                if pair.0.contains("remove"), ends[0].end == .exited(0), let old { slots[old] = nil }
                for (name, key) in slots {
                    let tested = try await rig.ended(["key", "slot", "test", "--json"], key: key)
                    #expect(tested.end == .exited(0), "round \(round), \(name): \(tested.complaints)")
                    #expect(tested.output.first?.contains("\"name\":\"\(name)\"") == true)
                }
                if try await rig.rotationsBegun() > 0 { try await takeUp(rig, slots) }
                #expect(try await rig.rotationsBegun() == 0, "round \(round): \(pair)")
            }
            let verified = try await rig.ended(["audit", "verify"])
            #expect(verified.end == .exited(0), "\(verified.output)")
            let again = try await rig.open()
            #expect(try await again.users.list().count == 61)
            await again.close()
            print("two operators: \(statuses)")
        }

        /// 0; or 6 when the other was in the way; or 4 when a slot came or went that the command was not told of.
        private func expectKnownEnd(_ ended: Rig.Ended, _ command: [String], _ round: String) {
            switch ended.end {
            case .exited(0): return
            case .exited(6): #expect(ended.complaints.contains("\"busy\""), "\(round) \(ended.complaints)")
            case .exited(4) where command.contains("--deep"):
                #expect(ended.complaints.contains("no given key opens"), "\(round) \(ended.complaints)")
            default: Issue.record("\(round) \(command): \(ended.end) \(ended.complaints)")
            }
        }

        /// What one of them left is ended by the same command.
        private func takeUp(_ rig: Rig, _ slots: [String: String]) async throws {
            for command in ["root", "rows", "lookup"] {
                let ended = try await rig.ended(["key", "rotate", command])
                #expect(ended.end == .exited(0), "\(ended.complaints)")
            }
            guard try await rig.rotationsBegun() > 0 else { return }
            let others = slots.values.filter { $0 != rig.keyFile }.flatMap { ["--also-key-file", $0] }
            let ended = try await rig.ended(["key", "rotate", "--deep"] + others)
            #expect(ended.end == .exited(0), "\(ended.complaints)")
        }
    }
}
