import ArgumentParser
import Foundation
import Synchronization
import TokenKeeper
import TokenVault
import VaultCore
import VaultCrypto

/// What the keeper does in a second: tokens handed out, refreshes against a provider that answers at once, and how long it
/// takes to settle what a crash left behind.
struct KeeperBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keeper", abstract: "Measure the keeper and print a table.")

    @Option(help: "Number of connections in the vault.")
    var connections = 100_000
    @Option(help: "How many of them a crash interrupted.")
    var interrupted = 1000
    @Option(help: "Seconds of each measurement.")
    var seconds = 3.0
    @Option(help: "Repetitions; the table shows medians.")
    var runs = 3
    @Option(help: "A folder on the disk to be measured.")
    var folder = ".build-release/bench-cache"

    func run() async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let directory = folder + "/keeper-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Vault.createKeyFile(at: directory + "/key")
        let vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"))
        let provider = InstantProvider()
        let keeper = TokenKeeper(vault: vault, transport: provider)
        try await keeper.addProvider(InstantProvider.entry)
        let user = try await vault.users.add("bench").id
        Console.note("making \(connections) connections")
        let ids = try await imported(connections, keeper, user)

        var report = Report()
        for run in 1...max(1, runs) {
            Console.note("run \(run) of \(runs)")
            report.add(.keeper("accessToken/s, valid, one thread"), try await handedOut(keeper, ids))
            for callers in [1, 64] {
                report.add(
                    .keeper("refreshes/s, provider answers at once, \(callers) callers"),
                    try await refreshed(keeper, ids, callers))
            }
            report.add(
                .keeper(
                    "seconds to settle \(interrupted) interrupted refreshes among \(connections) connections"),
                try await recovered(keeper, ids, run))
        }
        report.add(.memory, ProcessMemory.peakMiB)
        report.printTable(sizes: [])
        await vault.close()
    }

    private func imported(_ count: Int, _ keeper: TokenKeeper, _ user: OwnerID) async throws -> [ConnectionID]
    {
        try await withThrowingTaskGroup(of: [ConnectionID].self) { group in
            for lane in 0..<64 {
                group.addTask {
                    var ids: [ConnectionID] = []
                    for number in stride(from: lane, to: count, by: 64) {
                        var tokens = ImportedTokens(
                            accessToken: SecretBytes(copying: "at-\(number)"),
                            refreshToken: SecretBytes(copying: "rt-\(number)"))
                        tokens.accessExpiresAt = SystemClock().now().advanced(by: .seconds(86400))
                        ids.append(
                            try await keeper.import(
                                tokens, provider: "instant", user: user, label: "\(number)"
                            ).id)
                    }
                    return ids
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// One caller after another, as fast as one thread goes.
    private func handedOut(_ keeper: TokenKeeper, _ ids: [ConnectionID]) async throws -> Double {
        let busy = Array(ids.prefix(1024))
        for id in busy { try await ask(keeper, id) }
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        var done = 0
        while ContinuousClock.now < end {
            for index in 0..<256 { try await ask(keeper, busy[(done + index) % busy.count]) }
            done += 256
        }
        return Double(done) / (start.duration(to: .now) / .seconds(1))
    }

    private func ask(_ keeper: TokenKeeper, _ id: ConnectionID) async throws {
        guard case .ready = try await keeper.accessToken(for: id) else {
            throw BenchmarkFailure("A valid token was not handed out.")
        }
    }

    /// Every caller refreshes connections of its own, one after another: intent, call, settle.
    private func refreshed(_ keeper: TokenKeeper, _ ids: [ConnectionID], _ callers: Int) async throws
        -> Double
    {
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        let done = try await withThrowingTaskGroup(of: Int.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    var done = 0
                    while ContinuousClock.now < end {
                        let id = ids[(caller + done * callers) % ids.count]
                        guard case .ready = try await keeper.refresh(id) else {
                            throw BenchmarkFailure("A refresh did not end with a token.")
                        }
                        done += 1
                    }
                    return done
                }
            }
            return try await group.reduce(0, +)
        }
        return Double(done) / (start.duration(to: .now) / .seconds(1))
    }

    /// Intents without outcome, as a killed process leaves them, until a service has settled the last.
    private func recovered(_ keeper: TokenKeeper, _ ids: [ConnectionID], _ run: Int) async throws -> Double {
        let slice = ids.dropFirst(run * interrupted).prefix(interrupted)
        let holder = SystemRandom().bytes(16)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for id in slice {
                group.addTask {
                    let held = try await keeper.vault.heldConnection(id)
                    _ = try await keeper.vault.leaseRefresh(
                        LeaseRequest(
                            id, generation: held.generation, failures: held.connection.failures,
                            holder: holder, span: .milliseconds(1), replay: .always))
                }
            }
            try await group.waitForAll()
        }
        let start = ContinuousClock.now
        let service = Task { try await KeeperService(keeper).run() }
        for id in slice {
            while try await keeper.vault.connection(id).unsettledSince != nil {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        let elapsed = start.duration(to: .now) / .seconds(1)
        service.cancel()
        _ = try? await service.value
        return elapsed
    }
}

/// A provider without a network that answers at once.
private struct InstantProvider: ProviderTransport {
    static let entry = NewProvider(
        "instant",
        yaml: """
            name: instant
            title: Instant
            endpoints:
              token: https://instant.example/token
            refresh:
              replay: tolerated
            """, clientID: "bench", clientSecret: SecretBytes(copying: "bench"))

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        let token = Base64URL.encodeToString(SystemRandom().bytes(32))
        let body = #"{"access_token":"\#(token)","refresh_token":"r\#(token)","expires_in":86400}"#
        return ProviderReply(
            status: 200, headers: ["content-type": "application/json"], body: SecretBytes(copying: body))
    }
}
