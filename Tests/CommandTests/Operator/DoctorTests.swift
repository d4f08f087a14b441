import Foundation
import TestSupport
import Testing
import VaultCustody

/// Each thing that can be wrong is found under its name, with what to do, and with the exit code that was promised.
@Suite("doctor finds what is wrong, and says what to do", .bounded)
struct DoctorTests {
    struct Finding {
        let severity, what: String
        let remedy, error: String?
    }

    private func examine(_ place: Workplace, _ arguments: [String] = []) async throws -> (
        status: Int32, findings: [String: Finding]
    ) {
        let ending = try await place.run(["doctor", "--json"] + arguments)
        // Opening a vault that does not prove itself is told in the log as well.
        #expect(
            ending.complaints.isEmpty || ending.complaints.contains("critical tokenvault: error=integrity"))
        var findings: [String: Finding] = [:]
        for line in ending.outputLines {
            let object = try Ending.object(line)
            let name = try #require(object["check"] as? String)
            let finding = Finding(
                severity: try #require(object["severity"] as? String),
                what: try #require(object["what"] as? String), remedy: object["remedy"] as? String,
                error: object["error"] as? String)
            #expect(
                finding.severity == "ok" || finding.remedy?.isEmpty == false, "\(name) says not what to do")
            #expect((finding.severity == "error") == (finding.error != nil), "\(name)")
            // Where a check speaks of several things the gravest counts.
            if findings[name].map({ $0.severity == "ok" }) ?? true { findings[name] = finding }
        }
        return (ending.status, findings)
    }

    /// After `damage`, the check `name` has this severity, and the command ends with this status.
    private func expect(
        _ name: String, _ severity: String, _ status: Int32, after damage: String,
        _ arguments: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let place = try await Workplace.withVault()
        let before = try await examine(place)
        #expect(
            before.status == 11 && before.findings[name]?.severity != severity, sourceLocation: sourceLocation
        )
        let damaged = try await place.shell(damage)
        #expect(damaged.status == 0, "\(damaged.complaints)", sourceLocation: sourceLocation)
        let after = try await examine(place, arguments)
        #expect(
            after.findings[name]?.severity == severity, "\(String(describing: after.findings[name]))",
            sourceLocation: sourceLocation)
        #expect(after.status == status, sourceLocation: sourceLocation)
    }

    @Test func `a fresh vault has two warnings, and no error`() async throws {
        let place = try await Workplace.withVault()
        let (status, findings) = try await examine(place)
        #expect(status == 11)
        // Of the place that tests run in nothing is expected.
        #expect(
            findings.filter { $0.value.severity == "warning" && $0.key != "files.system" }.keys.sorted() == [
                "slots.count", "slots.recovery",
            ])
        #expect(!findings.values.contains { $0.severity == "error" })
        #expect(findings.count > 30)
    }

    @Test func `without a key it looks at the rest, and asks nobody`() async throws {
        let place = try await Workplace.withVault()
        let size = try await place.shell("sqlite3 -readonly V 'SELECT size FROM audit_head'").output
        let ending = try await place.run(["doctor"], environment: ["TOKENVAULT_KEY_FILE": ""])
        #expect(ending.status == 11)
        #expect(ending.output.contains("Without a key these were left out"))
        #expect(ending.output.contains("log.head") && !ending.output.contains("log.signature"))
        #expect(try await place.shell("sqlite3 -readonly V 'SELECT size FROM audit_head'").output == size)
    }

    @Test func `it leaves no file beside a copy`() async throws {
        let place = try await Workplace.withVault()
        let looked = try await place.shell(
            "cp V copy; env -u TOKENVAULT_KEY_FILE tokenvault doctor --vault copy > found || echo $?; ls copy*; cmp V copy"
        )
        #expect(looked.outputLines == ["11", "copy"], "\(looked)")
    }

    @Test(arguments: [
        "--key-fd 3 3< K", "--recovery-file R --passphrase-file P", "--key-exec $PWD/program",
        "--recovery-file R --passphrase-fd 3 3< P",
    ])
    func `every key that needs no question is taken`(_ key: String) async throws {
        let place = try await Workplace.withVault()
        try place.write("correct horse battery staple", to: "P")
        try place.write(
            """
            #!/usr/bin/env python3
            import json, sys
            question = json.load(sys.stdin)
            wraps = question["op"] == "wrap"
            print(json.dumps({"blob" if wraps else "key": question["key" if wraps else "blob"]}))
            """, to: "program", mode: 0o700)
        _ = try await place.shell(
            """
            chmod 600 P; tokenvault key recovery create --out R --new-passphrase-file P
            tokenvault key slot add --new-key-exec $PWD/program
            """)
        let ending = try await place.shell("env -u TOKENVAULT_KEY_FILE tokenvault doctor \(key)")
        #expect(ending.output.contains("The key that was given opens the vault."), "\(ending.output)")
    }

    @Test func `a wrong key is 5, and the rest was looked at`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.run(["init", "--vault", "W", "--key-file", "L", "--create-key-file"])
        let (status, findings) = try await examine(place, ["--key-file", "L"])
        #expect(status == 5 && findings["key.opens"]?.error == "locked")
        #expect(findings["log.head"]?.severity == "ok")
    }

    @Test func `no vault, another file, a directory: 3`() async throws {
        let place = try await Workplace.withVault()
        #expect(
            try await examine(place, ["--vault", "nowhere"]).findings["files.vault"]?.error == "not_found")
        try place.write(
            "not a database, but long enough for one: " + String(repeating: "x", count: 8192), to: "other")
        for other in ["nowhere", "other", "."] {
            #expect(try await examine(place, ["--vault", other]).status == 3, "\(other)")
        }
        let foreign = try await place.shell(
            "umask 077; sqlite3 foreign 'PRAGMA journal_mode = WAL; CREATE TABLE t (a)'")
        #expect(foreign.status == 0)
        let (status, findings) = try await examine(place, ["--vault", "foreign"])
        #expect(status == 3 && findings["files.vault"]?.error == "not_a_vault")
    }

    @Test func `permissions`() async throws {
        try await expect("files.vault", "error", 4, after: "chmod 644 V")
        try await expect("files.key", "error", 4, after: "chmod 640 K")
        try await expect("files.lock", "warning", 11, after: "chmod 644 V.lock")
        try await expect("files.ballast", "error", 4, after: "mv V.ballast b; ln -s b V.ballast")
        try await expect("files.vault", "error", 9, after: "ln V second")
        try await expect("files.directory", "error", 4, after: "chmod 777 .")
        try await expect("files.directory", "warning", 11, after: "chmod 770 .")
        try await expect("files.key", "error", 3, after: "rm K")
    }

    @Test func `a link is followed, and named`() async throws {
        try await expect("files.vault", "advice", 11, after: "ln -s V link", ["--vault", "link"])
    }

    @Test func `a ballast that was given up`() async throws {
        try await expect(
            "space.ballast", "warning", 11, after: ": > V.ballast")
    }

    @Test func `a changed schema and a newer one`() async throws {
        try await expect("schema.readable", "error", 7, after: "sqlite3 V 'CREATE TABLE extra (id INTEGER)'")
        try await expect(
            "schema.readable", "error", 9,
            after: "sqlite3 V \"INSERT INTO schema_migrations VALUES (999, zeroblob(32), 0)\"")
    }

    @Test func `an edited log: a head, a tail that was cut`() async throws {
        try await expect(
            "log.readable", "error", 7, after: "sqlite3 V 'UPDATE audit_head SET root = zeroblob(32)'")
        try await expect(
            "log.head", "error", 7,
            after: "sqlite3 V 'DELETE FROM audit_leaves WHERE id = (SELECT max(id) FROM audit_leaves)'")
    }

    @Test func `a row that was edited is seen with the key`() async throws {
        try await expect(
            "rows.tags", "error", 7,
            after:
                "tokenvault user add alice >/dev/null; sqlite3 V 'UPDATE owners SET state = 2 WHERE kind = 2'"
        )
    }

    @Test func `another journal mode`() async throws {
        try await expect("sqlite.settings", "warning", 11, after: "sqlite3 V 'PRAGMA journal_mode = DELETE'")
    }

    @Test func `damaged pages`() async throws {
        let place = try await Workplace.withVault()
        // Every page but the first, as from a disk that lost them.
        #expect(
            try await place.shell("dd if=/dev/zero of=V bs=4096 seek=2 count=40 conv=notrunc 2>&1").status
                == 0)
        let (status, findings) = try await examine(place)
        #expect(status == 7)
        #expect(findings.values.contains { $0.error == "integrity" })
    }

    @Test func `a service: who it is, and when it hangs`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        let (_, found) = try await examine(place)
        #expect(found["serving.process"]?.what == "Process \(service.processID) serves this vault.")
        #expect(found["files.wal"]?.severity == "ok")
        service.signal(SIGSTOP)
        // As if the last heartbeat were a minute old; the row's tag is wrong then, and another check says so.
        let aged = try await place.shell("sqlite3 V 'UPDATE vault SET heartbeat_at = heartbeat_at - 60000'")
        #expect(aged.status == 0)
        let (_, hanging) = try await examine(place)
        service.signal(SIGCONT)
        #expect(hanging["serving.process"]?.severity == "warning")
        _ = await service.end(by: SIGTERM)
        #expect(
            try await examine(place).findings["serving.process"]?.what == "No process serves this vault now.")
    }

    @Test func `an expired secret and one that ends soon`() async throws {
        let place = try await Workplace.withVault()
        for name in ["one", "two"] {
            _ = try await place.run([
                "client", "add", name, "--client-id", name, "--redirect-uri", "https://a.example/",
            ])
        }
        let aged = try await place.shell(
            """
            sqlite3 V "UPDATE client_secrets SET not_after = 1000 WHERE id = 1;
            UPDATE client_secrets SET not_after = (unixepoch() + 86400) * 1000 WHERE id = 2"
            """)
        #expect(aged.status == 0, "\(aged.complaints)")
        let (_, findings) = try await examine(place)
        #expect(findings["clients.expired"]?.severity == "warning")
        #expect(findings["clients.expiring"]?.severity == "advice")
        // A disabled client needs no secret.
        _ = try await place.shell("sqlite3 V 'UPDATE owners SET state = 2 WHERE kind = 3'")
        #expect(try await examine(place).findings["clients.secrets"]?.severity == "ok")
    }

    @Test func `what the keeper and its tables say`() async throws {
        let tag = "zeroblob(32)"
        try await expect(
            "providers.stopped", "warning", 7,
            after: "sqlite3 V \"INSERT INTO providers VALUES (1, 'acme', 2, 1, '{}', x'00', 0, 0, \(tag))\"")
        try await expect(
            "connections.failing", "warning", 7,
            after: """
                sqlite3 V "INSERT INTO connections (id, provider_id, owner_id, kind, lookup_tag, created_at, state, \
                is_verified, generation, fence, details, scope, failures, leaf, row_tag) \
                VALUES (1, 1, 1, 1, \(tag), 0, 5, 1, 1, 0, x'00', '', 9, 0, \(tag))"
                """)
        try await expect(
            "jobs.unfinished", "advice", 11,
            after: "sqlite3 V \"INSERT INTO jobs VALUES (1, 'rotation', 'running', '{}')\"")
        try await expect(
            "webhooks.behind", "warning", 7,
            after: """
                sqlite3 V "INSERT INTO webhooks VALUES (1, 'https://a.example/', x'00', 0, 0, \(tag));
                INSERT INTO webhook_cursors VALUES (1, 0, 3, 0)"
                """)
        try await expect(
            "anchors.progress", "warning", 7,
            after: """
                sqlite3 V "INSERT INTO anchors VALUES (1, 'file', '/x', '{}', 0, 0, 0, \(tag));
                INSERT INTO anchor_progress VALUES (1, 1, 1000, 2, 'unreachable')"
                """)
        for kind in ["exec", "witness"] {
            // It failed; and it is only behind.
            for progress in ["2, 'unknown'", "0, NULL"] {
                try await expect(
                    "anchors.progress", "warning", 7,
                    after: """
                        sqlite3 V "INSERT INTO anchors VALUES (1, '\(kind)', '/x', '{}', 0, 0, 0, \(tag));
                        INSERT INTO anchor_progress VALUES (1, 1, 1000, \(progress))"
                        """)
            }
        }
        try await expect(
            "backups.age", "warning", 7,
            after: "sqlite3 V \"INSERT INTO backups VALUES (1, zeroblob(16), 1, 1000, NULL, 1, \(tag))\"")
        try await expect(
            "backups.unfinished", "advice", 7,
            after: "sqlite3 V \"INSERT INTO backups VALUES (1, zeroblob(16), 1, 1000, NULL, 0, \(tag))\"")
        try await expect(
            "keys.rotation", "warning", 7,
            after: """
                sqlite3 V "UPDATE role_keys SET created_at = 1000;
                INSERT INTO role_keys VALUES (100, 1, 9, 0, 1, 2, x'00', 1000, 0, \(tag))"
                """)
    }

    @Test func `a clock that was set`() async throws {
        let place = try await Workplace.withVault()
        // The newest entry claims to be of the next century: its hash is wrong then, and another check says so.
        let moved = try await place.shell(
            """
            sqlite3 V "UPDATE audit_head SET last_time = 4102444800000"
            """)
        #expect(moved.status == 0)
        let (_, findings) = try await examine(place)
        #expect(findings["clock.wall"]?.severity == "warning")
        #expect(findings["log.head"]?.error == "integrity")
    }
}
