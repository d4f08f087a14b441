import Foundation
import TestSupport
import Testing

/// What cannot be opened is refused with the documented exit code, a sentence, and what would help.
@Suite("Refusals of the command", .bounded)
struct RefusalTests {
    private func expectRefusal(
        _ ending: Ending, _ status: Int32, _ code: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(ending.status == status, "\(ending.complaints)", sourceLocation: sourceLocation)
        #expect(ending.output.isEmpty, sourceLocation: sourceLocation)
        let report = try Ending.object(ending.complaints)
        #expect(report["error"] as? String == code, sourceLocation: sourceLocation)
        #expect((report["message"] as? String)?.isEmpty == false, sourceLocation: sourceLocation)
        #expect((report["remedy"] as? String)?.isEmpty == false, sourceLocation: sourceLocation)
    }

    @Test func `a wrong key is 5, and changes nothing`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.run(["init", "--vault", "W", "--key-file", "L", "--create-key-file"])
        let before = try await place.run(["status", "--json"]).object()["log_size"] as? Int
        try expectRefusal(await place.run(["status", "--key-file", "L", "--json"]), 5, "locked")
        let after = try await place.run(["status", "--json"]).object()["log_size"] as? Int
        #expect(after == before.map { $0 + 1 })
    }

    @Test func `a missing vault and a missing key file are 3`() async throws {
        let place = try await Workplace.withVault()
        try expectRefusal(await place.run(["status", "--vault", "nowhere", "--json"]), 3, "not_found")
        try expectRefusal(await place.run(["status", "--key-file", "nowhere", "--json"]), 3, "not_found")
    }

    @Test(arguments: [
        "", "SQLite format 3",
        "not a database at all, but longer than a header would be: \(String(repeating: "x", count: 4096))",
    ])
    func `another file is no vault: 3`(_ content: String) async throws {
        let place = try await Workplace.withVault()
        try place.write(content, to: "other")
        try expectRefusal(await place.run(["status", "--vault", "other", "--json"]), 3, "not_a_vault")
        #expect(try place.text("other") == content)
    }

    @Test func `a database of another program is no vault: 3`() async throws {
        let place = try await Workplace.withVault()
        let made = try await place.shell("umask 077; sqlite3 other 'CREATE TABLE vault (id INTEGER)'")
        #expect(made.status == 0)
        try expectRefusal(await place.run(["status", "--vault", "other", "--json"]), 3, "not_a_vault")
    }

    @Test func `a directory is no vault: 3`() async throws {
        let place = try await Workplace.withVault()
        try expectRefusal(await place.run(["status", "--vault", ".", "--json"]), 3, "not_a_vault")
    }

    // What others may read is refused, with the command that closes it; but not where it is no file of ours.
    @Test func `what is no vault and no key file is not to be closed by chmod`() async throws {
        let place = try await Workplace.withVault()
        let made = try await place.shell(
            "echo 'some text' > other; mkdir dir; cp other dir/other; sqlite3 db 'CREATE TABLE t (a)';"
                + " chmod 666 other dir/other; chmod 777 dir; chmod 644 db")
        #expect(made.status == 0)
        for other in ["other", "dir", "dir/other", "db", "/etc/passwd"] {
            for command in [["status"], ["client", "list"], ["audit", "verify"], ["doctor"]] {
                let ending = try await place.run(command + ["--vault", other])
                let told = ending.output + ending.complaints
                #expect(ending.status == 3, "\(command) \(other): \(told)")
                #expect(told.contains("is not a") && !told.contains("chmod"), "\(command) \(other): \(told)")
            }
            let ending = try await place.run(["status", "--key-file", other])
            #expect(ending.status == 2 && !ending.complaints.contains("chmod"), "\(ending.complaints)")
        }
        let doctor = try await place.run(["doctor", "--key-file", "dir"])
        #expect(doctor.output.contains("dir is not a regular file") && !doctor.output.contains("chmod"))
    }

    // Longer than a label of a name may be: the resolver refuses it without asking anyone.
    @Test(arguments: [["--listen"], ["--listen", "127.0.0.1:0", "--admin-listen"]])
    func `a host name without an address is 9, and named`(_ options: [String]) async throws {
        let place = try await Workplace.withVault()
        let name = String(repeating: "a", count: 64) + ".invalid"
        let ending = try await place.run(
            ["serve", "--issuer", "https://id.example", "--json"] + options + [name + ":0"])
        #expect(ending.status == 9, "\(ending.complaints)")
        #expect(ending.complaints.contains("unavailable") && ending.complaints.contains(name))
        #expect(options.last.map(ending.complaints.contains) == true)
    }

    @Test func `a newer schema is 9 and left alone`() async throws {
        let place = try await Workplace.withVault()
        let aged = try await place.shell(
            "sqlite3 V \"INSERT INTO schema_migrations VALUES (999, zeroblob(32), 0)\" && sha256sum V > sum")
        #expect(aged.status == 0)
        try expectRefusal(await place.run(["status", "--json"]), 9, "schema_newer")
        #expect(try await place.shell("sha256sum --check --status sum").status == 0)
    }

    @Test func `a changed schema is 7`() async throws {
        let place = try await Workplace.withVault()
        let changed = try await place.shell("sqlite3 V 'CREATE TABLE extra (id INTEGER)'")
        #expect(changed.status == 0)
        try expectRefusal(await place.run(["status", "--json"]), 7, "schema_changed")
        let verdict = try await place.run(["audit", "verify", "--json"])
        #expect(verdict.status == 7)
        #expect(try verdict.object()["ok"] as? Bool == false)
    }

    @Test func `an edited head is 7, and verify says where`() async throws {
        let place = try await Workplace.withVault()
        let edited = try await place.shell("sqlite3 V 'UPDATE audit_head SET root = zeroblob(32)'")
        #expect(edited.status == 0)
        try expectRefusal(await place.run(["status", "--json"]), 7, "integrity")
        let verdict = try await place.run(["audit", "verify", "--json"])
        #expect(verdict.status == 7)
        // What keeps it from opening, and what is read all the same.
        let findings = try verdict.object()["findings"] as? [[String: Any]] ?? []
        #expect(Set(findings.compactMap { $0["place"] as? String }).isSuperset(of: ["vault", "head"]))
        #expect(try (verdict.object()["proven_size"] as? Int ?? 0) > 0, "\(verdict.output)")
    }

    @Test func `a file that others may read is 4`() async throws {
        let place = try await Workplace.withVault()
        #expect(try await place.shell("chmod 644 V").status == 0)
        try expectRefusal(await place.run(["status", "--json"]), 4, "permission_denied")
        #expect(try await place.shell("chmod 600 V; chmod 640 K").status == 0)
        try expectRefusal(await place.run(["status", "--json"]), 4, "permission_denied")
    }
}
