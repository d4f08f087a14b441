import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

/// The device flow as a client of RFC 8628.
@Suite("RFC 8628: the device flow", .bounded)
struct DeviceFlowTests {
    private static let entry = KeeperBench.standardEntry.replacing(
        "revocation:",
        with: "device_authorization: https://provider.example/device\n  revocation:")

    private func begin(_ bench: KeeperBench) async throws -> BegunDevice {
        var request = DeviceRequest(provider: "standard", user: bench.user.id)
        request.label = "tv"
        return try await bench.keeper.beginDevice(request)
    }

    @Test func `the tokens are stored once the user has consented`() async throws {
        let bench = try await KeeperBench(Self.entry)
        var device = try await begin(bench)
        #expect(device.verificationURI.hasPrefix("https://"))
        bench.clock.advance(device.interval)
        #expect(try await bench.keeper.pollDevice(&device) == nil)
        #expect(bench.server.approveDevice(userCode: device.userCode))
        bench.clock.advance(device.interval)
        let connection = try #require(try await bench.keeper.pollDevice(&device))
        #expect(connection.label == "tv" && connection.scope == "read write")
        let token = try await bench.ready(connection.id)
        #expect(bench.server.isLive(accessToken: token.text))
    }

    @Test func `slow_down makes every further pause five seconds longer: section 3_5`() async throws {
        let bench = try await KeeperBench(Self.entry)
        var device = try await begin(bench)
        let interval = device.interval
        #expect(try await bench.keeper.pollDevice(&device) == nil)
        #expect(device.interval == interval)
        #expect(try await bench.keeper.pollDevice(&device) == nil)
        #expect(device.interval == interval + .seconds(5))
        bench.clock.advance(device.interval)
        #expect(try await bench.keeper.pollDevice(&device) == nil)
        #expect(device.interval == interval + .seconds(5))
    }

    @Test func `a provider that is busy or silent is asked less often, and nothing is lost`() async throws {
        let bench = try await KeeperBench(Self.entry)
        var device = try await begin(bench)
        for fault in [ScriptedFault.status(503), .dropBefore, .unreachable] {
            let interval = device.interval
            bench.server.failNext(fault)
            bench.clock.advance(device.interval)
            #expect(try await bench.keeper.pollDevice(&device) == nil)
            #expect(device.interval == min(interval * 2, .seconds(60)))
        }
        #expect(bench.server.approveDevice(userCode: device.userCode))
        bench.clock.advance(device.interval)
        #expect(try await bench.keeper.pollDevice(&device) != nil)
    }

    @Test func `no, too late, and a refused client each say which`() async throws {
        let bench = try await KeeperBench(Self.entry)
        var denied = try await begin(bench)
        #expect(bench.server.denyDevice(userCode: denied.userCode))
        await #expect(throws: KeeperError(.accessDenied, "")) { try await bench.keeper.pollDevice(&denied) }
        var late = try await begin(bench)
        bench.clock.advance(.seconds(3600))
        await #expect(throws: KeeperError(.refused, "")) { try await bench.keeper.pollDevice(&late) }
        var unknown = try await begin(bench)
        bench.server.failNext(.invalidClient)
        await #expect(throws: KeeperError(.clientRefused, "")) {
            try await bench.keeper.pollDevice(&unknown)
        }
    }

    @Test func `an answer that cannot be read is kept`() async throws {
        let bench = try await KeeperBench(Self.entry)
        var device = try await begin(bench)
        #expect(bench.server.approveDevice(userCode: device.userCode))
        bench.clock.advance(device.interval)
        bench.server.failNext(.page(isDone: true))
        await #expect(throws: KeeperError(.unreadableReply, "")) {
            try await bench.keeper.pollDevice(&device)
        }
        let kept = try #require(
            try await bench.keeper.connection(at: "standard", of: bench.user.id, label: "tv"))
        #expect(kept.hasUnreadReply)
    }

    @Test func `a provider without the endpoint says so`() async throws {
        let bench = try await KeeperBench()
        await #expect(throws: KeeperError(.notSupported, "")) { try await begin(bench) }
    }
}

/// A keeper that is about to end.
@Suite("A refresh that nobody waits for", .bounded)
struct FinishTests {
    @Test func `is stored before finish() returns`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        let first = try await bench.ready(connection.id)
        // Past the margin, with time left: the old token is handed out, the refresh runs behind.
        bench.clock.advance(.seconds(3600 - 120))
        #expect(try await bench.ready(connection.id).text == first.text)
        await bench.keeper.finish()
        #expect(try await bench.vault.connection(connection.id).generation == 2)
        #expect(bench.server.reuseAlarms == 0)
    }
}
