import ArgumentParser
import Foundation
import TokenVault
import VaultCore

/// Shows, in a minute, what the vault promises: with a real server, real HTTP and real files.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Show what the vault promises, in a temporary directory.",
        discussion: """
            Makes a vault, registers a client and a user, serves on this machine, and plays the client over HTTP. \
            Nothing is left behind, unless you say --keep.

            Examples:
              tokenvault demo
              tokenvault demo --keep
            """)

    @Flag(help: "Keep the vault and say where it is.")
    var keep = false
    @Option(help: "Number of times that the second grant is refreshed.")
    var refreshes = 200
    @Option(help: "Number of clients that send each refresh at once.")
    var clients = 64
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard (1...1_000_000).contains(refreshes), (1...256).contains(clients) else {
            throw ValidationError("--refreshes is 1 to 1000000 and --clients 1 to 256.")
        }
    }

    func run() async throws {
        let directory = try DemoStage.makeDirectory()
        defer { if !keep { try? FileManager.default.removeItem(atPath: directory) } }
        if !output.isJSON {
            try Console.print(Console.strong("TokenVault, a demonstration"))
            try Console.print(
                "  A new vault in \(directory), one client, one user, a server on this machine.")
        }
        let stage = try await DemoStage(in: directory)
        let summary: DemoSummary
        do {
            summary = try await perform(stage)
        } catch {
            await stage.vault.close()
            throw error
        }
        await stage.vault.close()
        try finish(summary, directory)
    }

    private func perform(_ stage: DemoStage) async throws -> DemoSummary {
        let story = DemoStory(
            stage, DemoStory.Plan(refreshes: refreshes, clients: clients), isQuiet: output.isJSON)
        let (summaries, result) = AsyncStream.makeStream(of: DemoSummary.self)
        try await stage.serving { url in
            let client = try await DemoClient(url, clientID: DemoStage.clientID, secret: stage.clientSecret)
            var tokens = try await story.tellOneGrant(client)
            let figures = try await story.tellCrowd(client)
            await client.close()
            if let newest = figures.newest { tokens += [newest.access, newest.refresh] }
            let report = try await story.tellLog()
            try story.tellFiles(tokens)
            result.yield(DemoSummary(story.plan, figures, report))
        }
        result.finish()
        for await summary in summaries { return summary }
        throw ExitStatus.interrupted
    }

    private func finish(_ summary: DemoSummary, _ directory: String) throws {
        guard !output.isJSON else {
            var summary = summary
            summary.directory = keep ? directory : nil
            return try output.show(summary)
        }
        try Console.print("")
        try Console.print(Console.strong("All promises kept. Try it by hand:"))
        for line in TryByHand(isKept: keep, directory: directory).lines { try Console.print("  " + line) }
    }
}

/// The figures of a demonstration.
struct DemoSummary: Record {
    let ok = true
    let refreshes, clients, requests, lostResponses, commits: Int
    let seconds, requestsPerSecond, commitsPerRefresh: Double
    let logSize: Int64
    let root: String
    /// Where the vault is, if it was kept.
    var directory: String?

    init(_ plan: DemoStory.Plan, _ figures: CrowdFigures, _ report: AuditReport) {
        refreshes = plan.refreshes
        clients = plan.clients
        requests = figures.requests
        lostResponses = figures.lostResponses
        commits = figures.commits
        seconds = figures.duration.inSeconds
        requestsPerSecond = (Double(figures.requests) / figures.duration.inSeconds).rounded(to: 1)
        commitsPerRefresh = (Double(figures.commits) / Double(plan.refreshes)).rounded(to: 3)
        logSize = report.size
        root = report.root
    }

    var lines: [String] { [] }
}
