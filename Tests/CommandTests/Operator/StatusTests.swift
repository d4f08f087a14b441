import Foundation
import TestSupport
import Testing

/// `status` draws what happened and what will end, and scripts read the same numbers.
@Suite("status at a glance", .bounded)
struct StatusTests {
    @Test func `exchanges, expiries and keys are counted`() async throws {
        let place = try await Workplace.withVault()
        let secret = try await Session.register(in: place)
        let service = try await RunningService(in: place)
        let session = Session(place: place, url: service.url, secret: secret)
        let first = try await session.exchange()
        let second = try await session.refresh(first)
        _ = try await session.refresh(second)
        // Two generations old by now: reuse.
        #expect(try await session.refresh(first)["error"] as? String == "invalid_grant")
        _ = try await session.exchange()
        #expect(await service.end(by: SIGTERM) == 0)

        let status = try await place.run(["status", "--json"]).object()
        let exchanges = try #require(status["exchanges"] as? [String: Any])
        let answered = try #require(exchanges["answered"] as? [Int])
        #expect(answered.count == 24 && answered.reduce(0, +) == 4)
        #expect(exchanges["revoked"] as? Int == 1)
        #expect(exchanges["is_cut"] as? Bool == false)
        let expiries = try #require(status["expiries"] as? [[String: Any]])
        #expect(expiries.compactMap { $0["within_hours"] as? Int } == [1, 24, 168, 720, 2160, 8760])
        #expect(expiries.compactMap { $0["grants"] as? Int }.reduce(0, +) == status["live_grants"] as? Int)
        #expect(status["live_grants"] as? Int == 1 && status["grants"] as? Int == 2)
        let keys = try #require(status["keys"] as? [[String: Any]])
        #expect(keys.first?["purpose"] as? String == "root")
        #expect(keys.contains { $0["purpose"] as? String == "log signing" })
        #expect(status["has_recovery_key"] as? Bool == false && status["keyslots"] as? Int == 1)

        let shown = try await place.run(["status"]).output
        #expect(shown.contains("█  4 in 24 h, 0 refused, 1 revoked for reuse"))
        #expect(shown.contains("1 within 30 d"))
        #expect(shown.contains("tokenvault key recovery create"))
    }
}
