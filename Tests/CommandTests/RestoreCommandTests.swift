import Foundation
import TestSupport
import Testing

/// `restore` from the outside: what it does with logs as they are exported, and what it says where it does nothing.
@Suite("A restore changes what it says, or nothing", .bounded)
struct RestoreCommandTests {
    private static let restore = ["restore", "--from", "B", "--keys", "BK", "--vault", "R"]

    /// A vault with users, of which a backup was made.
    private func backedUp(_ users: String...) async throws -> Workplace {
        let place = try await Workplace.withVault()
        for user in users { try await expect(place, ["user", "add", user]) }
        try await expect(place, ["backup", "create", "--out", "B", "--keys-out", "BK"])
        return place
    }

    @discardableResult
    private func expect(
        _ place: Workplace, _ arguments: [String], status: Int32 = 0, _ words: String...
    ) async throws -> Ending {
        let ending = try await place.run(arguments)
        #expect(ending.status == status, "\(arguments): \(ending.complaints)")
        for word in words { #expect(ending.complaints.contains(word), "\(arguments): \(ending.complaints)") }
        return ending
    }

    /// Refused, and the directory is as it was.
    private func expectRefusal(
        _ place: Workplace, _ arguments: [String], status: Int32, _ words: String...
    ) async throws {
        let before = try Self.names(place)
        for verb in ["--plan", "--apply"] {
            let ending = try await place.run(arguments + [verb, "--json"])
            #expect(ending.status == status, "\(arguments): \(ending.complaints)")
            #expect(ending.output.isEmpty)
            // After the progress.
            let said = try Ending.object(try #require(ending.complaintLines.last))
            let sentence = "\(said["message"] ?? "") \(said["remedy"] ?? "")"
            for word in words { #expect(sentence.contains(word), "\(arguments): \(said)") }
        }
        #expect(try Self.names(place) == before)
    }

    private static func names(_ place: Workplace) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: place.path).filter {
            !$0.hasPrefix(".run-") && !["V-wal", "V-shm"].contains($0)
        }
        .sorted()
    }

    @Test func `erased users, removed slots and rotated keys, by the commands that did it`() async throws {
        let place = try await backedUp("alice", "bob")
        try await expect(place, ["key", "slot", "add", "--name", "spare", "--new-key-file", "S", "--create"])
        try await expect(place, ["backup", "create", "--out", "B", "--keys-out", "BK", "--force"])
        try await expect(place, ["user", "erase", "alice", "--confirm", "alice"])
        try await expect(place, ["key", "slot", "remove", "spare", "--confirm", "spare"])
        try await expect(place, ["key", "rotate", "root"])
        try await expect(place, ["key", "rotate", "lookup"])
        let plan = try await expect(place, Self.restore + ["--plan", "--log", "V"])
        for line in [": erased, after user.erase", ": removed, after keyslot.remove", "rotate again"] {
            #expect(plan.output.contains(line), "\(plan.output)")
        }
        let done = try await expect(place, Self.restore + ["--apply", "--log", "V", "--json"])
        #expect((try done.object()["log_origin"] as? String)?.contains("/2-") == true)
        let users = try await expect(place, ["user", "list", "--vault", "R", "--json"])
        #expect(users.output.contains("bob") && !users.output.contains("alice"))
        try await expect(place, ["user", "list", "--vault", "R", "--key-file", "S"], status: 5)
        for key in ["root", "lookup"] { try await expect(place, ["key", "rotate", key, "--vault", "R"]) }
        try await expect(place, ["key", "rotate", "--deep", "--vault", "R"])
        try await expect(place, ["audit", "verify", "--vault", "R"])
    }

    @Test func `tiles and lines, as they are exported, tell what the vault tells`() async throws {
        let place = try await backedUp("alice", "bob")
        try await expect(place, ["user", "disable", "bob"])
        try await expect(place, ["audit", "anchor", "add", "file", "checkpoint"])
        try await expect(place, ["audit", "export", "--format", "tiles", "tiles"])
        let lines = try await place.shell("tokenvault audit export --format ndjson > lines")
        #expect(lines.status == 0, "\(lines.complaints)")
        let note = "tiles/checkpoint"
        for log in [["V"], ["tiles"], ["tiles", "--checkpoint", note], ["lines", "--checkpoint", note]] {
            let plan = try await expect(place, Self.restore + ["--plan", "--json", "--log"] + log)
            let moved = try plan.object()["moved"] as? [[String: Any]] ?? []
            #expect(moved.map { $0["kind"] as? String } == ["user"], "\(log)")
            #expect(moved.map { $0["becomes"] as? String } == ["disabled"], "\(log)")
        }
        try await expectRefusal(place, Self.restore + ["--log", "lines"], status: 2, "--checkpoint")
        // The anchor was told of more than was exported.
        let short = Self.restore + ["--log", "tiles", "--checkpoint", "checkpoint"]
        try await expectRefusal(place, short, status: 7, "The checkpoint in checkpoint is of")
    }

    @Test func `a log that is cut, foreign or none is refused`() async throws {
        let place = try await backedUp("alice")
        try await expect(place, ["user", "disable", "alice"])
        try await expect(place, ["audit", "export", "--format", "tiles", "tiles"])
        let made = try await place.shell(
            """
            set -e
            tokenvault audit export --format ndjson > lines
            tail -n 1 tiles/checkpoint > no-note
            head -n 8 lines > cut-lines
            mkdir other && cd other && tokenvault init --create-key-file
            tokenvault audit export --format tiles tiles
            cd .. && cp -r tiles cut && rm -r cut/tile/entries
            """)
        #expect(made.status == 0, "\(made.complaints)")
        let log = Self.restore + ["--log"]
        try await expectRefusal(place, log + ["other/V"], status: 2, "another vault")
        try await expectRefusal(place, log + ["other/tiles"], status: 2, "another vault")
        try await expectRefusal(place, log + ["cut"], status: 7, "is missing")
        let lines = log + ["cut-lines", "--checkpoint"]
        try await expectRefusal(place, lines + ["tiles/checkpoint"], status: 7, "It ends at entry 8 of")
        try await expectRefusal(place, lines + ["other/tiles/checkpoint"], status: 2, "another vault")
        try await expectRefusal(place, lines + ["no-note"], status: 7, "cannot be read")
        try await expectRefusal(place, log + ["nothing"], status: 3, "There is no log")
        try await expectRefusal(place, log + ["K"], status: 2, "is not a vault, an exported log")
        try await expectRefusal(place, log + ["other"], status: 3, "checkpoint")
    }

    @Test func `damaged, foreign and locked backups are refused`() async throws {
        let place = try await backedUp("alice")
        let made = try await place.shell(
            """
            set -e
            mkdir other && cd other && tokenvault init --create-key-file
            tokenvault backup create --out B --keys-out BK && cd ..
            cp B bent && printf X | dd of=bent bs=1 seek=5000 conv=notrunc 2> /dev/null
            head -c 70000 B > short; head -c 100 B > stump; : > empty; cp BK bent-keys
            printf X | dd of=bent-keys bs=1 seek=60 conv=notrunc 2> /dev/null
            chmod 600 bent short stump empty bent-keys
            """)
        #expect(made.status == 0, "\(made.complaints)")
        func refuse(_ from: String, _ keys: String, _ status: Int32, _ more: [String] = []) async throws {
            try await expectRefusal(
                place, ["restore", "--from", from, "--keys", keys, "--vault", "R"] + more, status: status)
        }
        for damaged in ["bent", "short", "stump"] { try await refuse(damaged, "BK", 7) }
        for none in ["empty", "nothing", "K", "V"] { try await refuse(none, "BK", 3) }
        try await refuse("B", "bent-keys", 7)
        try await refuse("B", "nothing", 3)
        try await refuse("B", "other/BK", 5)
        try await refuse("other/B", "BK", 5)
        try await refuse("B", "BK", 5, ["--key-file", "other/K"])
        for (file, status) in [("bent", Int32(7)), ("short", 7), ("stump", 7), ("empty", 3)] {
            try await expect(place, ["backup", "verify", file, "--keys", "BK"], status: status)
            try await expect(place, ["backup", "inspect", file], status: status)
        }
        #expect(try Self.names(place).allSatisfy { !$0.contains("verify") && !$0.hasPrefix("R") })
    }

    @Test func `what is in the way stays, and two restores make one vault`() async throws {
        let place = try await backedUp("alice")
        for file in ["R", "R-wal", "R-shm"] {
            try place.write("mine", to: file)
            try await expectRefusal(place, Self.restore, status: 4, "already a file at")
            #expect(try place.text(file) == "mine")
            try FileManager.default.removeItem(atPath: place.path + "/" + file)
        }
        try await expectRefusal(
            place, ["restore", "--from", "B", "--keys", "BK", "--vault", "no/where"], status: 3)
        let statuses = try await withThrowingTaskGroup(of: Int32.self) { group in
            for _ in 0..<3 { group.addTask { try await place.run(Self.restore + ["--apply"]).status } }
            return try await group.reduce(into: [Int32]()) { $0.append($1) }
        }
        #expect(statuses.filter { $0 == 0 }.count == 1, "\(statuses)")
        #expect(statuses.allSatisfy { [0, 4, 6].contains($0) }, "\(statuses)")
        try await expect(place, ["audit", "verify", "--vault", "R"])
        #expect(!place.exists("R.restoring"))
    }

    @Test func `a file that may not grow, as on a full disk, is 8 and leaves nothing`() async throws {
        let place = try await backedUp("alice")
        let before = try Self.names(place)
        for blocks in [0, 8, 64, 200] {
            for command in [
                "restore --apply --from B --keys BK --vault R", "backup create --out B2 --keys-out BK2",
                "backup verify B --keys BK",
            ] {
                let ending = try await limited(place, blocks, command)
                #expect(ending.status == 8, "\(command), \(blocks): \(ending.output)")
                #expect(ending.output.contains("\"error\""), "\(command), \(blocks): \(ending.output)")
                #expect(try Self.names(place) == before, "\(command), \(blocks)")
            }
        }
        try await expect(place, ["audit", "verify"])
        try await expect(place, Self.restore + ["--apply"])
    }

    @Test func `nor does it leave anything when the disk fills up while what moved on is settled`()
        async throws
    {
        let place = try await Workplace.withVault()
        let made = try await place.shell(
            """
            set -e
            for n in $(seq 24); do tokenvault user add user-$n; done
            tokenvault backup create --out B --keys-out BK
            for n in $(seq 24); do tokenvault user disable user-$n; done
            """)
        #expect(made.status == 0, "\(made.complaints)")
        let before = try Self.names(place)
        // The database fits, the write-ahead log of the work does not.
        let size = try FileManager.default.attributesOfItem(atPath: place.path + "/B")[.size] as? Int ?? 0
        let command = "restore --apply --from B --keys BK --log V --vault R"
        let ending = try await limited(place, size / 512 + 8, command)
        #expect(ending.status == 8, "\(ending.output)")
        #expect(ending.output.contains("\"done\":0.5"), "\(ending.output)")
        #expect(try Self.names(place) == before)
        try await expect(place, Self.restore + ["--apply", "--log", "V"])
    }

    /// Runs a command whose files have at most so many blocks of 512 bytes; all it says is in `output`, by a pipe, which
    /// has no size.
    private func limited(_ place: Workplace, _ blocks: Int, _ command: String) async throws -> Ending {
        let line = "{ trap '' XFSZ; ulimit -f \(blocks); tokenvault \(command) --json; } 2>&1 | cat"
        // bash's blocks have 1024 bytes unless it follows POSIX.
        return try await place.run(program: "/bin/bash", ["--posix", "-o", "pipefail", "-c", line])
    }
}
