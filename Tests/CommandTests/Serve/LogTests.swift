import Foundation
import TestSupport
import Testing

/// The log as one JSON object a line.
@Suite("Structured logs", .bounded)
struct LogTests {
    @Test func `every line is an object, and a request's names the identifier its response had`() async throws
    {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place, ["--log-format", "json", "--log-level", "debug"])
        let head = try await place.shell(
            "curl --silent --head '\(service.url)/health/live?code=tv_ac_secret' --user-agent 'a\"b\\c'")
        let id = try #require(head.output.firstMatch(of: /(?i)x-request-id: ([0-9a-f]{16})/)).1
        #expect(await service.end(by: SIGTERM) == 0)
        let lines = try service.log().split(separator: "\n").map { try Ending.object(String($0)) }
        for line in lines {
            #expect(
                (line["time"] as? String)?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
            #expect(line["level"] is String && line["message"] is String)
        }
        let request = try #require(lines.first { $0["request_id"] as? String == String(id) })
        #expect(request["route"] as? String == "/health/live")
        #expect(request["status"] as? String == "200")
        #expect(try !service.log().contains("tv_ac_secret"))
    }
}
