import Foundation
import TestSupport
import Testing
import VaultAudit

/// Anchors from the outside: commands, a serving process beside them, and what scripts read.
@Suite("P6: an anchor finds an older file, whoever opens it", .bounded)
struct AnchorCommandTests {
    private func anchored() async throws -> Workplace {
        let place = try await Workplace.withVault()
        let added = try await place.run(["audit", "anchor", "add", "file", "anchor", "--json"])
        #expect(added.status == 0, "\(added.complaints)")
        #expect(try added.object()["kind"] as? String == "file")
        #expect(try added.object()["lag"] as? Int == 0)
        return place
    }

    @Test func `every command tells the file, and yesterday's vault ends with 7 until somebody insists`()
        async throws
    {
        let place = try await anchored()
        _ = try await place.shell("cp V yesterday")
        let first = try place.text("anchor")
        #expect(try await place.run(["user", "add", "alice"]).status == 0)
        #expect(try place.text("anchor") != first)
        let since = try await place.run(["audit", "verify", "--since", "anchor"])
        #expect(since.status == 0, "\(since.complaints)")

        _ = try await place.shell("cp V today; cp yesterday V")
        let refused = try await place.run(["user", "list"])
        #expect(refused.status == 7)
        #expect(refused.complaints.contains("an older copy is in place of the newest"))
        #expect(refused.complaints.contains("--ignore-anchors"))
        let verdict = try await place.run(["audit", "verify", "--json"])
        #expect(verdict.status == 7)
        #expect(try verdict.object()["ok"] as? Bool == false)
        let insisted = try await place.run(["audit", "verify", "--json", "--ignore-anchors"])
        #expect(insisted.status == 7 && insisted.output.contains("\"place\":\"anchors\""))
        #expect(try await place.run(["user", "list", "--ignore-anchors"]).status == 0)
        let check = try await place.run(["audit", "anchor", "check", "--ignore-anchors", "--json"])
        #expect(check.status == 9)
        // By now it has as many entries again, but others.
        #expect(check.output.contains("\"trouble\":\"differs\""))

        _ = try await place.shell("cp today V")
        #expect(try await place.run(["user", "list"]).status == 0)
    }

    @Test func `a restore that lost nothing goes on, one that lost entries asks for a decision`() async throws
    {
        let place = try await anchored()
        let listed = try await place.run(["audit", "anchor", "list", "--json"])
        let line = try #require(listed.outputLines.first)
        let object = try Ending.object(line)
        let id = try #require(object["id"] as? Int)
        let made = try await place.run(["backup", "create", "--out", "B", "--keys-out", "BK"])
        #expect(made.status == 0, "\(made.complaints)")
        #expect(try await place.run(["user", "add", "alice"]).status == 0)
        let restored = try await place.shell(
            "mv V lost; tokenvault restore --apply --from B --keys BK")
        guard restored.status == 0 else {
            Issue.record("\(restored.complaints) \(restored.output)")
            return
        }
        let refused = try await place.run(["user", "list"])
        #expect(refused.status == 7 && refused.complaints.contains("restored from a backup"))
        let decided = try await place.shell(
            """
            set -e; tokenvault audit anchor remove \(id) --ignore-anchors; mv anchor evidence
            tokenvault audit anchor add file anchor; tokenvault user list
            """)
        #expect(decided.status == 0, "\(decided.complaints)")
        #expect(try place.text("anchor").contains("/2-"))
    }

    @Test func `a serving process tells a program of what others write`() async throws {
        let place = try await anchored()
        try place.write(
            "#!/bin/sh\ncat > \(place.path)/told.new; mv \(place.path)/told.new \(place.path)/told\n",
            to: "hook", mode: 0o700)
        #expect(try await place.run(["audit", "anchor", "add", "exec", "hook"]).status == 0)
        let service = try await RunningService(in: place)
        #expect(try await place.run(["user", "add", "alice"]).status == 0)
        // Commands tell files only: what the program hears now, it hears from the service.
        let newest = try place.text("anchor")
        func size(_ note: String) -> Int { Int(note.split(separator: "\n").dropFirst().first ?? "") ?? 0 }
        #expect(try await Waiting.until { try size(place.text("told")) >= size(newest) })
        #expect(size(newest) > 0)
        #expect(await service.end(by: SIGTERM) == 0)
        #expect(try await place.run(["audit", "verify"]).status == 0)
    }

    @Test func `a full disk, a read-only one, and a program that is gone are named`() async throws {
        let place = try await Workplace.withVault()
        let ending = try await place.run(
            program: "/usr/bin/env",
            [
                "unshare", "-m", "/bin/sh", "-c",
                """
                set -e
                mkdir disk && mount -t tmpfs -o size=16k none disk
                tokenvault audit anchor add file disk/anchor --json >/dev/null
                printf '#!/bin/sh\n' > gone && chmod +x gone
                tokenvault audit anchor add exec "$PWD/gone" --json >/dev/null
                rm gone
                cat disk/anchor > before
                head -c 64k /dev/zero > disk/filler || true
                tokenvault audit anchor check | awk '{print $2, $NF}' || true
                cmp before disk/anchor
                mount -o remount,ro none disk
                tokenvault audit anchor check | awk '{print $2, $NF}' || true
                tokenvault audit anchor check >/dev/null || echo $?
                """,
            ])
        #expect(ending.status == 0, "\(ending.complaints)")
        let troubles = "KIND TROUBLE\nfile %\nexec unreachable\n"
        #expect(
            ending.output
                == troubles.replacing("%", with: "full") + troubles.replacing("%", with: "denied") + "9\n")
    }

    /// A witness's key as another program made it (aics-tlog, seed 00 01 … 1f).
    private static let witnessKey =
        "witness.example.com/w1+a0059f11+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"

    @Test func `a witness that is not there is counted, told of on standard error, and in nobody's way`()
        async throws
    {
        let place = try await Workplace.withVault()
        let added = try await place.run(
            [
                "audit", "anchor", "add", "witness", "http://127.0.0.1:1/", "--key", Self.witnessKey,
                "--keep", "C", "--json",
            ])
        #expect(added.status == 0, "\(added.complaints)")
        let anchor = try added.object()
        #expect(anchor["trouble"] as? String == "unreachable" && anchor["kind"] as? String == "witness")
        #expect(anchor["target"] as? String == "http://127.0.0.1:1")
        #expect(anchor["key"] as? String == Self.witnessKey)
        #expect((anchor["keep"] as? String)?.hasSuffix("/C") == true && !place.exists("C"))
        #expect(try await place.run(["user", "add", "alice"]).status == 0)
        let check = try await place.run(["audit", "anchor", "check"])
        #expect(check.status == 9 && check.complaints.contains("No connection."))
        let verdict = try await place.run(["audit", "verify", "--json"])
        #expect(verdict.status == 0 && verdict.output.contains("vouches for nothing now: unreachable"))
        let cosigned = try await place.run(["audit", "checkpoint", "--cosigned"])
        #expect(cosigned.status == 9 && cosigned.output.hasPrefix("tokenvault/"))
    }

    @Test func `what is no witness's URL or key, or has no use for one, ends with 2`() async throws {
        let place = try await Workplace.withVault()
        let vkey = try await place.run(["audit", "checkpoint", "--json"]).object()["verifier_key"] as? String
        let size = try await place.run(["status", "--json"]).object()["log_size"] as? Int
        let add = ["audit", "anchor", "add"]
        for arguments in [
            ["witness"], ["witness", "https://w.example"], ["witness", "--key", Self.witnessKey],
            ["witness", "http://w.example", "--key", Self.witnessKey],
            ["witness", "https://me:secret@w.example", "--key", Self.witnessKey],
            ["witness", "/dev/log", "--key", Self.witnessKey],
            ["witness", "https://w.example", "--key", try #require(vkey)],
            ["witness", "https://w.example", "--key", Self.witnessKey.lowercased()],
            ["file", "F", "--key", Self.witnessKey], ["exec", "F", "--keep", "F"], ["carrier-pigeon", "F"],
        ] {
            let ending = try await place.run(add + arguments)
            #expect(ending.status == 2 && ending.output.isEmpty, "\(arguments)")
            #expect(!ending.complaints.contains("secret"))
        }
        #expect(try await place.run(["audit", "checkpoint", "--cosigned"]).status == 3)
        let after = try await place.run(["status", "--json"]).object()["log_size"] as? Int
        // Opening is an entry: of the commands above those opened it that named a witness with a key.
        #expect(after == size.map { $0 + 7 })
        #expect(try await place.run(["audit", "anchor", "list", "--json"]).output.isEmpty)
    }
}
