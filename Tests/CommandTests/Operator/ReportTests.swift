import Foundation
import TestSupport
import Testing

/// The page is written whole or not at all, over nothing that is there, and says when something is wrong.
@Suite("report writes one page", .bounded)
struct ReportTests {
    @Test func `it stands by itself, for its owner alone`() async throws {
        let place = try await Workplace.withVault()
        let made = try await place.run(["report", "--html", "page.html", "--json"])
        #expect(made.status == 0 && made.complaints.isEmpty)
        #expect(try made.object()["ok"] as? Bool == true)
        let page = try place.text("page.html")
        #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</html>\n"))
        #expect(page.contains("default-src 'none'"))
        #expect(page.firstMatch(of: /(src|href|url)\s*[=(]/) == nil)
        #expect(
            try await place.shell("stat -c %a page.html; ls -A | grep -c html").outputLines == ["600", "1"])
    }

    @Test func `an existing file is kept without --force`() async throws {
        let place = try await Workplace.withVault()
        try place.write("mine", to: "page.html")
        let size = try await place.run(["status", "--json"]).object()["log_size"] as? Int
        let refused = try await place.run(["report", "--html", "page.html", "--json"])
        #expect(refused.status == 4)
        #expect(try Ending.object(refused.complaints)["error"] as? String == "already_exists")
        #expect(try place.text("page.html") == "mine")
        // Refused before the vault was opened.
        #expect(
            try await place.run(["status", "--json"]).object()["log_size"] as? Int == size.map { $0 + 1 })
        #expect(try await place.run(["report", "--html", "page.html", "--force"]).status == 0)
        #expect(try place.text("page.html").hasPrefix("<!doctype"))
    }

    @Test func `nothing but a regular file is replaced`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.shell("mkdir folder; mkfifo pipe; ln -s /dev/null link")
        for name in ["folder", "pipe", "link"] {
            let refused = try await place.run(["report", "--html", name, "--force"])
            #expect(refused.status == 2, "\(name)")
        }
        #expect(try await place.shell("test -d folder -a -p pipe -a -L link").status == 0)
    }

    @Test func `a place that is not there or full is said before the work`() async throws {
        let place = try await Workplace.withVault()
        #expect(try await place.run(["report", "--html", "nowhere/page.html"]).status == 3)
        #expect(try await place.run(["report", "--html", ""]).status == 2)
        #expect(try await place.run(["report", "--html", "/proc/page.html"]).status != 0)
        #expect(try await place.run(["report"]).status == 2)
    }

    @Test func `no vault is 3, a wrong key 5, and no page is left`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.run(["init", "--vault", "W", "--key-file", "L", "--create-key-file"])
        #expect(try await place.run(["report", "--html", "p.html", "--vault", "nowhere"]).status == 3)
        #expect(try await place.run(["report", "--html", "p.html", "--key-file", "L"]).status == 5)
        #expect(!place.exists("p.html"))
    }

    @Test func `damage is 7, and on the page`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.run(["user", "add", "alice"])
        // A row that no command reads on the way: the vault opens, the verification sees it.
        let damaged = try await place.shell("sqlite3 V 'UPDATE owners SET created_at = 1 WHERE kind = 2'")
        #expect(damaged.status == 0)
        let made = try await place.run(["report", "--html", "page.html"])
        #expect(made.status == 7)
        #expect(try place.text("page.html").contains("is not what was written"))
    }

    @Test func `a period: days, moments, nothing in it, and nonsense`() async throws {
        let place = try await Workplace.withVault()
        let none = try await place.run(["report", "--html", "a.html", "--to", "2020-01-01", "--json"])
        #expect(try none.object()["entries"] as? Int == 0)
        #expect(try place.text("a.html").contains("There is no entry in this period."))
        let all = try await place.run([
            "report", "--html", "b.html", "--from", "2020-01-01T00:00:00Z", "--to", "2199-12-31", "--json",
        ])
        #expect(try (all.object()["entries"] as? Int ?? 0) >= 3)
        for nonsense in [
            "yesterday", "2026-02-31", "2026-13-01", "2026-01-01T25:00:00Z", "", "1", "2026-1-1",
        ] {
            let refused = try await place.run(["report", "--html", "c.html", "--from", nonsense])
            #expect(refused.status == 2, "\(nonsense)")
        }
        let backwards = try await place.run([
            "report", "--html", "c.html", "--from", "2026-02-01", "--to", "2026-01-01",
        ])
        #expect(backwards.status == 2 && !place.exists("c.html"))
    }
}
