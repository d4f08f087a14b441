import TokenRotation
import TokenVault
import VaultAudit
import VaultCore

/// Access tokens checked per second: open the handle, read the grant, judge it.
struct ValidationBenchmark {
    private let store: PopulatedVault
    private let seconds: Double

    // Fewer owners than the vault's cache holds, and more rows than a connection's page cache does.
    private static let tokens = 8192

    init(_ store: PopulatedVault, _ seconds: Double) {
        self.store = store
        self.seconds = seconds
    }

    func measure(into report: inout Report) async throws {
        let copy = try store.copy()
        defer { copy.remove() }
        let vault = try await copy.vault.open()
        let tokens = try await freshTokens(copy, vault)
        // As in service: first uses are written behind the checks.
        let upkeep = Task { try await VaultService(vault, closesVault: false).run() }
        for token in tokens { _ = try await vault.validate(token) }
        for threads in [1, 2] {
            report.add(
                .validations(grants: store.grants, threads: threads),
                try await measure(vault, tokens, threads))
        }
        upkeep.cancel()
        _ = try? await upkeep.value
        await vault.close()
    }

    /// Checking does not suspend, so a task keeps a thread; it yields now and then, so that upkeep gets a turn.
    private func measure(_ vault: Vault, _ tokens: [SecretBytes], _ threads: Int) async throws -> Double {
        let end = ContinuousClock.now + .seconds(seconds)
        let (done, refused) = await withTaskGroup(of: (Int, Int).self) { group in
            for number in 0..<threads {
                group.addTask {
                    var random = SplitMix64(seed: UInt64(number))
                    var done = 0
                    var refused = 0
                    while ContinuousClock.now < end {
                        for _ in 0..<64 {
                            let token = tokens[Int(random.next() % UInt64(tokens.count))]
                            if (try? await vault.validate(token)) == nil { refused += 1 }
                        }
                        done += 64
                        await Task.yield()
                    }
                    return (done, refused)
                }
            }
            return await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
        guard refused == 0 else { throw BenchmarkFailure("\(refused) valid access tokens were refused.") }
        return Double(done) / seconds
    }

    private func freshTokens(_ copy: WorkingCopy, _ vault: Vault) async throws -> [SecretBytes] {
        let client = try await vault.clients.find(PopulatedVault.clientName)
        let step = max(copy.tokenCount / Self.tokens, 1)
        return try await withThrowingTaskGroup(of: SecretBytes.self) { group in
            for index in stride(from: 0, to: copy.tokenCount, by: step) {
                let token = SecretBytes(copy.token(index))
                group.addTask {
                    let request = ExchangeRequest(
                        kind: .refreshToken, credential: token, client: client, channel: .library)
                    guard case .issued(let issued) = try await vault.exchange(request) else {
                        throw BenchmarkFailure("A refresh was refused.")
                    }
                    return issued.pair.accessToken
                }
                if index / step >= 1000 { _ = try await group.next() }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }
}
