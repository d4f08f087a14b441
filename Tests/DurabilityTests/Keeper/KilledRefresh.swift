import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// One refresh that is killed at a point, and what another process makes of it.
struct KilledRefresh {
    /// Of a call to the provider: the lease lasts half as long again, and the other process waits for its end.
    private static let seconds = 6
    let rig: KeeperRig
    let point: CrashPoint
    let connection: ConnectionID
    /// Of the connection, at the provider.
    let family: Int

    /// - Returns: the token that was handed out.
    func kill() async throws -> String? {
        let requests = rig.provider.tokenRequests
        if let fault = point.fault { rig.provider.failNext(fault) }
        let worker = try rig.worker(holdingAt: point.place, callsWithin: Self.seconds)
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
        case .message(let count):
            let tracer = try await Tracer(
                worker, ["-e", "trace=sendto", "-e", "inject=sendto:signal=KILL:when=\(count)"],
                thread: "vault.writer")
            worker.send("go\n")
            try await until { worker.isGone }
            _ = await tracer.process.end()
        case .sent(let operation):
            // After each message there is time to look at it, before anything of the answer is read.
            let tracer = try await Tracer(
                worker, ["-e", "trace=sendto", "-e", "inject=sendto:delay_exit=1s", "-s", "65536"],
                thread: "vault.writer")
            worker.send("go\n")
            try await until {
                tracer.log.split(separator: "\n").contains { $0.contains(operation) && $0.contains(") = ") }
            }
            worker.signal(SIGKILL)
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
        if case .exchanged = point.progress { try await exchanged() }
        return token
    }

    private func exchanged() async throws {
        try await until { rig.provider.redemptions(of: family).first == 1 }
    }

    /// Asks another process for the token, which has had the vault open all along.
    ///
    /// - Parameter vault: to look at the connection.
    /// - Returns: how the connection stands then.
    func recover(
        by other: OtherWorker, _ vault: Vault, _ handedOut: String?
    ) async throws -> Recovery {
        let requests = rig.provider.tokenRequests
        let answer = try await other.get(connection)
        let asked = rig.provider.tokenRequests - requests
        let held = try await vault.heldConnection(connection)
        #expect(asked <= 1)
        switch answer.first {
        case "token":
            let refresh = held.pair?.refreshToken?.withExposed { String(decoding: $0, as: UTF8.self) }
            #expect(rig.provider.isLive(accessToken: answer[2]), "\(point.name)")
            #expect(rig.provider.isLive(refreshToken: try #require(refresh)), "\(point.name)")
            if let handedOut { #expect(answer[2] == handedOut) }
            return asked == 0 ? .stored : .refreshed
        case "consent":
            #expect(answer[1] == "lost-response", "\(point.name)")
            #expect(held.connection.reason == "lost-response", "\(point.name)")
            return .consent(asked: asked == 1)
        default: throw VaultError(.unavailable, "\(point.name): \(answer.joined(separator: " "))")
        }
    }
}

/// A process beside those that are killed.
struct OtherWorker {
    private let worker: AskedWorker

    init(_ rig: KeeperRig) async throws {
        worker = AskedWorker(try rig.worker())
        let line = await worker.next()
        try #require(line == "ready")
    }

    /// - Returns: the words of its answer.
    func get(_ connection: ConnectionID) async throws -> [String] {
        worker.process.send("get \(connection.rawValue) 1\n")
        let (answer, end) = (await worker.next(), await worker.next())
        try #require(end == "done")
        return try #require(answer).split(separator: " ").map(String.init)
    }

    func end() async {
        worker.process.closeInput()
        #expect(await worker.process.end() == .exited(0))
    }
}

/// A worker whose lines are read one after the other.
final class AskedWorker: @unchecked Sendable {
    // @unchecked: one test reads.
    let process: ChildProcess
    private var lines: AsyncStream<String>.AsyncIterator

    init(_ process: ChildProcess) {
        self.process = process
        lines = process.lines.makeAsyncIterator()
    }

    func next() async -> String? { await lines.next() }
}

/// strace on every thread of a running process, or on one.
struct Tracer {
    let process: ChildProcess
    private let file: String

    init(_ worker: ChildProcess, _ arguments: [String], thread name: String? = nil) async throws {
        let file = NSTemporaryDirectory() + "keeper-calls-\(worker.id)"
        self.file = file
        // A thread gets its name only once it runs.
        try await until { !Self.threads(of: worker.id, named: name).isEmpty }
        let target =
            name == nil
            ? ["-f", "-p", "\(worker.id)"]
            : ["-p", (Self.threads(of: worker.id, named: name)[0] as NSString).lastPathComponent]
        process = try ChildProcess(["strace", "-qq", "-o", file] + target + arguments)
        try await until { Self.areTraced(Self.threads(of: worker.id, named: name)) }
    }

    var log: String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }

    /// - Parameter name: nil: all.
    private static func threads(of process: pid_t, named name: String?) -> [String] {
        let folder = "/proc/\(process)/task/"
        let all = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        guard let name else { return all.map { folder + $0 } }
        return all.map { folder + $0 }.filter { text($0 + "/comm") == name + "\n" }
    }

    private static func areTraced(_ threads: [String]) -> Bool {
        !threads.isEmpty && threads.allSatisfy { text($0 + "/status")?.contains("TracerPid:\t0\n") == false }
    }

    private static func text(_ file: String) -> String? { try? String(contentsOfFile: file, encoding: .utf8) }
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
