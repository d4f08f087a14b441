import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCrypto

/// What outsiders are handed, and what an operator does to the log, by command.
@Suite("The log by command", .bounded)
struct AuditCommandTests {
    private func grown(_ users: Int = 3) async throws -> (place: Workplace, vkey: String) {
        let place = try await Workplace.withVault()
        for number in 0..<users { _ = try await place.run(["user", "add", "user\(number)"]) }
        let checkpoint = try await place.run(["audit", "checkpoint", "--json"]).object()
        return (place, try #require(checkpoint["verifier_key"] as? String))
    }

    @Test func `a proof is checked without vault or key`() async throws {
        let (place, vkey) = try await grown()
        let made = try await place.shell("tokenvault audit prove 3 > p; mkdir elsewhere; mv p elsewhere")
        #expect(made.status == 0, "\(made.complaints)")
        let nowhere = ["TOKENVAULT_PATH": "nowhere", "TOKENVAULT_KEY_FILE": "nowhere"]
        let checked = try await place.run(
            ["audit", "check-proof", "elsewhere/p", "--vkey", vkey, "--json"], environment: nowhere)
        #expect(checked.status == 0, "\(checked.complaints)")
        let verdict = try checked.object()
        #expect(verdict["ok"] as? Bool == true && verdict["claim"] as? String == "inclusion")
        #expect(verdict["index"] as? Int == 3)
        #expect((verdict["leaf"] as? String)?.hasPrefix(#"{"v":1,"i":3,"#) == true)

        let leaf = try await place.run(["audit", "show", "3", "--json"]).object()["leaf"] as? String
        try place.write(try #require(leaf) + "\n", to: "leaf")
        try place.write("{}", to: "other")
        for (arguments, status) in [
            (["elsewhere/p", "--vkey", vkey, "--leaf", "leaf"], 0),
            (["elsewhere/p", "--vkey", vkey, "--leaf", "other"], 7),
            (["elsewhere/p", "--vkey", "no key"], 2), (["elsewhere/none", "--vkey", vkey], 3),
            (["elsewhere", "--vkey", vkey], 2), (["leaf", "--vkey", vkey], 7), (["elsewhere/p"], 2),
            (["elsewhere/p", "--vkey", vkey, "--leaf", "nowhere"], 3),
        ] {
            let ending = try await place.run(["audit", "check-proof"] + arguments)
            #expect(ending.status == Int32(status), "\(arguments) \(ending.complaints)")
        }
        let other = try await grown(0)
        let foreign = try await place.run(["audit", "check-proof", "elsewhere/p", "--vkey", other.vkey])
        #expect(foreign.status == 7)
        let missing = try await place.run(["audit", "prove", "1000"])
        #expect(missing.status == 3 && missing.output.isEmpty)
    }

    @Test func `a proof file of any size is refused in bounded time`() async throws {
        let (place, vkey) = try await grown(0)
        let made = try await place.shell("head -c 50000000 /dev/zero > big; mkfifo pipe")
        #expect(made.status == 0)
        for file in ["big", "pipe", "/dev/zero"] {
            #expect(
                try await place.run(["audit", "check-proof", file, "--vkey", vkey]).status == 2, "\(file)")
        }
    }

    @Test func `consistency, and verify from a checkpoint on`() async throws {
        let (place, vkey) = try await grown()
        _ = try await place.shell("tokenvault audit checkpoint > old; tokenvault user add later")
        let proof = try await place.shell("tokenvault audit consistency --from old > grown")
        #expect(proof.status == 0 && proof.complaints.contains("begins with"))
        let checked = try await place.run([
            "audit", "check-proof", "grown", "--vkey", vkey, "--from", "old", "--json",
        ])
        #expect(try checked.object()["claim"] as? String == "consistency")
        #expect(try await place.run(["audit", "check-proof", "grown", "--vkey", vkey]).status == 2)

        let since = try await place.run(["audit", "verify", "--since", "old", "--json"])
        #expect(since.status == 0)
        #expect(try (since.object()["since"] as? Int ?? 0) > 3)
        #expect(try await place.run(["audit", "verify", "--since", "nowhere"]).status == 3)
        try place.write("no checkpoint\n", to: "none")
        #expect(try await place.run(["audit", "consistency", "--from", "none"]).status == 7)
        // A fork: another vault's past is not ours.
        _ = try await place.shell(
            "sqlite3 V \"UPDATE audit_leaves SET bytes = CAST('{}' AS BLOB) WHERE id = 1\"")
        #expect(try await place.run(["audit", "consistency", "--from", "old"]).status == 7)
        let bad = try await place.run(["audit", "verify", "--since", "old", "--json"])
        #expect(bad.status == 7)
    }

    @Test func `verify says what is bad, what is affected and what is not`() async throws {
        let (place, _) = try await grown()
        _ = try await place.shell(
            "sqlite3 V \"UPDATE audit_leaves SET bytes = CAST('{}' AS BLOB) WHERE id = 4\"")
        let bad = try await place.run(["audit", "verify", "--json"])
        let verdict = try bad.object()
        #expect(bad.status == 7)
        #expect(verdict["first_bad_entry"] as? Int == 4 && verdict["proven_size"] as? Int == 4)
        #expect(verdict["affected_grants"] as? [Int] == [])
        let text = try await place.run(["audit", "verify"]).output
        #expect(text.contains("First bad entry: 4") && text.contains("entries 0 to 3"), "\(text)")
    }

    @Test func `lines are the exact bytes that are hashed`() async throws {
        let (place, _) = try await grown()
        let lines = try await place.run(["audit", "export", "--format", "ndjson"]).outputLines
        let leaf = try await place.run(["audit", "show", "2", "--json"]).object()["leaf"] as? String
        #expect(lines.count > 5 && String(lines[2]) == leaf)
        let rest = try await place.run([
            "audit", "export", "--format", "ndjson", "--from", "2", "--limit", "2",
        ])
        #expect(rest.outputLines.map { String($0) } == lines[2...3].map { String($0) })
        #expect(rest.complaints.contains("--from 4"))
    }

    @Test func `usage of export is checked before the vault is opened`() async throws {
        let place = try await Workplace.withVault()
        for arguments in [
            ["--format", "tiles"], ["--format", "ndjson", "D"], ["--format", "xml"],
            ["--format", "tiles", "D", "--from", "3"], ["--format", "ndjson", "--from", "-1"],
        ] {
            #expect(try await place.run(["audit", "export"] + arguments).status == 2, "\(arguments)")
        }
    }

    @Test func `follow goes on after a restart, and prints again what was not noted`() async throws {
        let (place, _) = try await grown()
        let follow = ["audit", "follow", "--cursor-file", "cursor", "--until-end"]
        let first = try await place.run(follow).outputLines
        let noted = try place.text("cursor")
        #expect(noted == "\(first.count)\n")
        _ = try await place.run(["user", "add", "later"])
        let second = try await place.run(follow).outputLines.map { try Ending.object($0) }
        #expect(second.first?["index"] as? Int == first.count)
        #expect(second.contains { $0["operation"] as? String == "user.add" })
        try place.write(noted, to: "cursor")
        let again = try await place.run(follow).outputLines.map { try Ending.object($0)["index"] as? Int }
        #expect(again.first == first.count)

        try place.write("99999\n", to: "cursor")
        #expect(try await place.run(follow).status == 7)
        try place.write("x\n", to: "cursor")
        #expect(try await place.run(follow).status == 2)
    }

    @Test func `follow goes on with the restore where the log forked, and loses no entry`() async throws {
        let (place, _) = try await grown(1)
        let follow = ["audit", "follow", "--cursor-file", "cursor", "--until-end"]
        let made = try await place.run(["backup", "create", "--out", "b", "--keys-out", "k"])
        #expect(made.status == 0, "\(made.complaints)")
        for number in 0..<4 { _ = try await place.run(["user", "add", "lost\(number)"]) }
        _ = try await place.run(follow)
        let restored = try await place.shell(
            "tokenvault restore --apply --from b --keys k --log V --vault W && mv V old && mv W V")
        #expect(restored.status == 0, "\(restored.complaints)")

        let first = try await place.run(follow)
        #expect(first.status == 0 && first.complaints.contains("The log forked at entry"), "\(first)")
        var entries = try first.outputLines.map { try Ending.object($0) }
        #expect(entries.first?["operation"] as? String == "vault.restore")
        let fork = try #require(entries.first?["index"] as? Int)
        #expect(first.complaints.contains("forked at entry \(fork):"))
        // More than the log before had.
        for number in 0..<8 { _ = try await place.run(["user", "add", "new\(number)"]) }
        let second = try await place.run(follow)
        #expect(second.status == 0 && !second.complaints.contains("forked"), "\(second)")
        entries += try second.outputLines.map { try Ending.object($0) }
        #expect(entries.compactMap { $0["index"] as? Int } == Array(fork..<fork + entries.count))
        #expect(entries.count { $0["operation"] as? String == "user.add" } == 8)
    }

    @Test func `follow refuses an older copy that grew past its cursor`() async throws {
        let (place, _) = try await grown(1)
        let follow = ["audit", "follow", "--cursor-file", "cursor", "--until-end"]
        let copied = try await place.shell("cp V copy && tokenvault user add lost")
        #expect(copied.status == 0, "\(copied.complaints)")
        _ = try await place.run(follow)
        _ = try await place.shell("cp copy V")
        #expect(try await place.run(follow).status == 7)
        for number in 0..<6 { _ = try await place.run(["user", "add", "new\(number)"]) }
        let refused = try await place.run(follow)
        #expect(refused.status == 7 && refused.output.isEmpty, "\(refused)")
        #expect(refused.complaints.contains("another history"))
        // With the number alone there is nothing to tell it by.
        _ = try await place.shell("rm cursor.checkpoint")
        #expect(try await place.run(follow).status == 0)
    }

    @Test func `search by token takes it from standard input only`() async throws {
        let (place, _) = try await grown()
        let client = try await place.run([
            "client", "add", "app", "--client-id", "app", "--redirect-uri", "https://app.example/cb",
            "--json",
        ])
        #expect(client.status == 0)
        let code = try await place.run([
            "grant", "authorize", "--client", "app", "--user", "user1", "--redirect-uri",
            "https://app.example/cb", "--json",
        ])
        let secret = try #require(try code.object()["code"] as? String)
        let none = try await place.run(["audit", "search", "--token", "--json"], input: secret + "\n")
        #expect(none.status == 0)
        let user = try await place.run(["audit", "search", "--user", "-", "--json"], input: "user1\n")
        #expect(user.outputLines.count == 2, "\(user.output) \(user.complaints)")
        let app = try await place.run(["audit", "search", "--client", "app", "--operation", "grant"])
        #expect(app.outputLines.count == 2)
        #expect(try await place.run(["audit", "search", "--token"], input: "").status == 2)
        #expect(try await place.run(["audit", "search", "--user", "nobody"]).status == 3)
        #expect(try await place.run(["audit", "search", "--outcome", "good"]).status == 2)
        #expect(try await place.run(["audit", "search", "--since", "yesterday"]).status == 2)
        let future = try await place.run(["audit", "search", "--since", "2999-01-01", "--json"])
        #expect(future.status == 0 && future.output.isEmpty)
    }

    @Test func `entries say who acted, and the log's time is put right only where it is ahead`() async throws
    {
        let (place, _) = try await grown(1)
        let shown = try await place.run(["audit", "show", "1", "--json"]).object()
        let actor = try #require(shown["actor_details"] as? [String: Any])
        #expect(actor["kind"] as? String == "person" && actor["name"] as? String == "tokenvault")
        #expect(actor["uid"] as? UInt32 == getuid())
        #expect(try await place.run(["audit", "set-time"]).status == 2)
        let refused = try await place.run(["audit", "set-time", "--reason", "none"])
        #expect(refused.status == 4 && refused.complaints.contains("not ahead of the clock"))
    }

    @Test func `pruning asks first, and the log stays whole`() async throws {
        let (place, vkey) = try await grown(1)
        let vault = try await Vault.open(
            at: place.path + "/V", unlockedBy: .keyFile(path: place.path + "/K"))
        for number in 0..<280 { _ = try await vault.users.add("another \(number)") }
        await vault.close()
        #expect(try await place.run(["audit", "prune"]).status == 2)
        let asked = try await place.run(["audit", "prune", "--keep", "5"])
        #expect(asked.status == 10 && asked.complaints.contains("--confirm 256"), "\(asked.complaints)")
        #expect(try await place.run(["audit", "prune", "--keep", "5", "--confirm", "512"]).status == 10)
        let done = try await place.run(["audit", "prune", "--keep", "5", "--confirm", "256", "--json"])
        #expect(try done.object()["removed"] as? Int == 256, "\(done.complaints)")
        let verdict = try await place.run(["audit", "verify", "--json"])
        #expect(verdict.status == 0)
        #expect(try verdict.object()["first_kept"] as? Int == 256)
        #expect(try await place.run(["audit", "prove", "3"]).status == 3)
        _ = try await place.shell("tokenvault audit prove 256 > p")
        #expect(try await place.run(["audit", "check-proof", "p", "--vkey", vkey]).status == 0)
        let list = try await place.run(["audit", "list", "--limit", "1", "--json"])
        #expect(try list.object()["index"] as? Int == 256)
        #expect(try await place.run(["audit", "prune", "--keep", "5", "--confirm", "256"]).status == 0)
    }
}
