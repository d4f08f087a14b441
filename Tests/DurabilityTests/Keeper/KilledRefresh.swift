import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// One refresh that is killed at a point, and what the next process makes of it.
struct KilledRefresh {
    let rig: KeeperRig
    let point: CrashPoint
    let connection: ConnectionID
    /// Of the connection, at the provider.
    let family: Int

    /// - Returns: how the connection stands after its recovery.
    func run() async throws -> Recovery {
        let handedOut = try await kill()
        if case .exchanged = point.progress { try await exchanged() }
        return try await recover(handedOut)
    }

    private func kill() async throws -> String? {
        let requests = rig.provider.tokenRequests
        if let fault = point.fault { rig.provider.failNext(fault) }
        let worker = try rig.worker(holdingAt: point.place)
        var lines = worker.lines.makeAsyncIterator()
        var heard = await lines.next()
        try #require(heard == "ready", "\(point.name)")
        worker.send("get \(connection.rawValue) 1\n")
        if point.place != "nowhere" {
            heard = await lines.next()
            try #require(heard == "held", "\(point.name)")
        }
        var token: String?
        switch point.strike {
        case .held: worker.signal(SIGKILL)
        case .call(let name, let count):
            let tracer = try await Tracer(
                worker, ["-e", "trace=\(name)", "-e", "inject=\(name):signal=KILL:when=\(count)"])
            worker.send("go\n")
            try await until { worker.isGone }
            _ = await tracer.process.end()
        case .arrived:
            try await until { rig.provider.tokenRequests > requests }
            worker.signal(SIGKILL)
        case .exchanged:
            try await exchanged()
            worker.signal(SIGKILL)
        case .read(let text):
            let tracer = try await Tracer(worker, ["-e", "trace=read,readv,recvfrom,recvmsg", "-s", "64"])
            worker.send("go\n")
            try await until { tracer.log.contains(text) }
            worker.signal(SIGKILL)
            _ = await tracer.process.end()
        case .handedOut:
            let line = try #require(await lines.next())
            token = line.split(separator: " ").dropFirst(2).first.map(String.init)
            worker.signal(SIGKILL)
        }
        let end = await worker.end()
        try #require(end == .killed(by: SIGKILL), "\(point.name)")
        return token
    }

    private func exchanged() async throws {
        try await until { rig.provider.redemptions(of: family).first == 1 }
    }

    /// The next process comes when the lease is over.
    private func recover(_ handedOut: String?) async throws -> Recovery {
        let vault = try await Vault.open(
            at: rig.rig.path, unlockedBy: .keyFile(path: rig.rig.keyFile),
            configuration: VaultConfiguration(clock: LaterClock(by: .seconds(46))))
        let requests = rig.provider.tokenRequests
        let keeper = TokenKeeper(vault: vault, transport: ScriptedTransport(rig.provider))
        let answer = try await keeper.accessToken(for: connection)
        let asked = rig.provider.tokenRequests - requests
        let held = try await vault.heldConnection(connection)
        await vault.close()
        #expect(asked <= 1)
        switch answer {
        case .ready(let ready):
            let text = ready.token.withExposed { String(decoding: $0, as: UTF8.self) }
            let refresh = held.pair?.refreshToken?.withExposed { String(decoding: $0, as: UTF8.self) }
            #expect(rig.provider.isLive(accessToken: text), "\(point.name)")
            #expect(rig.provider.isLive(refreshToken: try #require(refresh)), "\(point.name)")
            if let handedOut { #expect(text == handedOut) }
            return asked == 0 ? .stored : .refreshed
        case .needsConsent(let need):
            #expect(need.reason == .lostResponse, "\(point.name)")
            #expect(held.connection.reason == "lost-response", "\(point.name)")
            return .consent(asked: asked == 1)
        case .unavailable(_, let reason):
            throw VaultError(.unavailable, "\(point.name): \(reason.rawValue)")
        }
    }
}

/// strace on every thread of a running process.
private struct Tracer {
    let process: ChildProcess
    private let file: String

    init(_ worker: ChildProcess, _ arguments: [String]) async throws {
        let file = NSTemporaryDirectory() + "keeper-calls-\(worker.id)"
        self.file = file
        process = try ChildProcess(["strace", "-f", "-qq", "-p", "\(worker.id)", "-o", file] + arguments)
        try await until { Self.isTraced(worker.id) }
    }

    var log: String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }

    private static func isTraced(_ id: pid_t) -> Bool {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task")) ?? []
        return !tasks.isEmpty
            && tasks.allSatisfy { task in
                let status = try? String(contentsOfFile: "/proc/\(id)/task/\(task)/status", encoding: .utf8)
                return status?.contains("TracerPid:\t0\n") == false
            }
    }
}

extension ChildProcess {
    /// Dead, whether or not anybody has asked how.
    fileprivate var isGone: Bool {
        let status = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
        return status?.contains("State:\tZ") ?? true
    }
}

private func until(_ isSo: () -> Bool) async throws {
    let hasCome = try await Waiting.until(within: .seconds(15), every: .milliseconds(2)) { isSo() }
    try #require(hasCome, "it did not come to that")
}

/// The machine's clocks, some time on.
private struct LaterClock: VaultClock {
    private let span: Duration
    private let clock = SystemClock()

    init(by span: Duration) { self.span = span }

    func now() -> VaultInstant { clock.now().advanced(by: span) }
    var name: String { clock.name }
    func monotonic() -> Duration { clock.monotonic() + span }
}
