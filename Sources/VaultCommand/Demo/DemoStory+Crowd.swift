import TokenVault
import VaultCore

/// What the crowd did.
struct CrowdFigures: Sendable {
    var requests = 0
    var lostResponses = 0
    var commits = 0
    var duration = Duration.zero
    var newest: DemoTokens?
}

extension DemoStory {
    /// Many instances of one application share one grant, and all refresh at the same moment, again and again.
    func tellCrowd(_ client: DemoClient) async throws -> CrowdFigures {
        try chapter("5. \(plan.clients) simultaneous clients refresh one grant \(plan.refreshes) times")
        try say(
            "Every time all \(plan.clients) send the same refresh token at once over their own connections. Some of"
        )
        try say("them lose the response on its way, and ask again.")
        let crowd = try await makeCrowd(client)
        let code = try await stage.authorize()
        var tokens = try await client.exchange(code.code).tokens()
        var figures = CrowdFigures()
        let commitsBefore = stage.vault.statistics.commits
        let start = ContinuousClock.now
        for turn in 1...plan.refreshes {
            try Task.checkCancellation()
            tokens = try await race(crowd, tokens.refresh, turn, &figures)
            try showProgress(turn)
        }
        figures.duration = ContinuousClock.now - start
        figures.commits = stage.vault.statistics.commits - commitsBefore
        figures.newest = tokens
        Console.progress("")
        for one in crowd { await one.close() }
        let grant = try stage.vault.grant(code.grant)
        try expect(
            Int(grant.generation) == plan.refreshes + 1,
            "Each refresh made exactly one successor: the grant is at generation \(grant.generation).")
        try expect(
            try stage.vault.validate(tokens.access)?.generation == grant.generation,
            "Every client always got that same successor, those with lost responses too.")
        try sayFigures(figures)
        return figures
    }

    private func makeCrowd(_ client: DemoClient) async throws -> [DemoClient] {
        var crowd: [DemoClient] = []
        for _ in 0..<plan.clients { crowd.append(try await client.twin()) }
        return crowd
    }

    /// All present `token` at once; all must get the same pair.
    private func race(
        _ crowd: [DemoClient], _ token: SecretBytes, _ turn: Int, _ figures: inout CrowdFigures
    ) async throws -> DemoTokens {
        let pairs = try await withThrowingTaskGroup(of: DemoTokens.self) { group in
            for (index, client) in crowd.enumerated() {
                // Another sixteenth of the crowd each time.
                let losesResponse = (index + turn).isMultiple(of: 16)
                figures.requests += losesResponse ? 2 : 1
                figures.lostResponses += losesResponse ? 1 : 0
                group.addTask {
                    if losesResponse { try await client.loseRefresh(token) }
                    return try await client.refresh(token).tokens()
                }
            }
            return try await group.reduce(into: [DemoTokens]()) { $0.append($1) }
        }
        guard let first = pairs.first, pairs.allSatisfy({ $0.isSame(as: first) }) else {
            throw VaultError(.internalError, "The demonstration failed: refresh \(turn) gave two successors.")
        }
        return first
    }

    /// A line that moves on a terminal; elsewhere one line a quarter.
    private func showProgress(_ turn: Int) throws {
        let line = "refresh \(turn) of \(plan.refreshes)"
        if turn.isMultiple(of: 10) { Console.progress(line) }
        guard !Console.showsProgress, turn.isMultiple(of: max(1, plan.refreshes / 4)) else { return }
        try say("… " + line)
    }

    private func sayFigures(_ figures: CrowdFigures) throws {
        let seconds = figures.duration.inSeconds
        try say(
            "\(figures.requests) requests, \(figures.lostResponses) of them without a response, in "
                + "\(seconds.rounded(to: 1)) s: \(Int(Double(figures.requests) / seconds)) requests per second, "
                + "of which all but one in \(plan.clients) got a pair that another had made.")
        try say(
            "\(figures.commits) commits, each on the disk before its answers went out: "
                + "\((Double(figures.commits) / Double(plan.refreshes)).rounded(to: 2)) per refresh.")
    }
}

extension Duration {
    var inSeconds: Double { Double(milliseconds) / 1000 }
}

extension Double {
    func rounded(to places: Int) -> Double {
        let factor = (0..<places).reduce(1.0) { product, _ in product * 10 }
        return (self * factor).rounded() / factor
    }
}
