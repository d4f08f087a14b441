import Foundation
import TestSupport
import Testing

/// An older copy of a vault is genuine; a service that had committed more does not go on with it.
@Suite("A service whose vault was set back", .bounded)
struct OlderCopyTests {
    @Test func `it ends with 7 and says why, though others made the copy longer`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        let kept = try await place.shell("sqlite3 V \"VACUUM INTO 'older'\"")
        #expect(kept.status == 0, "\(kept.complaints)")
        _ = try await place.run(["user", "add", "lost"])
        // To say that it is ready, the service commits: it knows of that user then.
        let ready = try await place.shell("curl -sf \(service.url)/health/ready")
        #expect(ready.status == 0)
        let tables = try await place.shell(
            "sqlite3 V \"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'\"")
        let statements = tables.output.split(separator: "\n").map {
            "DELETE FROM main.\($0); INSERT INTO main.\($0) SELECT * FROM old.\($0);"
        }
        try place.write(
            "ATTACH 'older' AS old; BEGIN; \(statements.joined(separator: "\n")) COMMIT;", to: "sql")
        let setBack = try await place.shell("sqlite3 V < sql")
        #expect(setBack.status == 0, "\(setBack.complaints)")
        for name in ["one", "two", "three"] { _ = try await place.run(["user", "add", name]) }
        #expect(await service.end() == 7)
        #expect(try service.log().contains("this process committed"))
    }
}
