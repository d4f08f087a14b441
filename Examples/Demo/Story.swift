import AsyncHTTPClient
import Foundation
import TokenVault
import VaultAudit
import VaultCore

/// Tells the demonstration: says what happens, does it, and checks that it came out as promised.
struct Story: Sendable {
    private let stage: Stage
    private let refreshes: Int
    private let clients: Int
    private let isQuiet: Bool
    private let showsProgress: Bool

    init(_ stage: Stage, refreshes: Int, clients: Int, isQuiet: Bool) {
        self.stage = stage
        self.refreshes = refreshes
        self.clients = clients
        self.isQuiet = isQuiet
        showsProgress = isatty(STDERR_FILENO) == 1
    }

    func chapter(_ title: String) {
        write("\n" + (isatty(STDOUT_FILENO) == 1 ? "\u{1B}[1m\(title)\u{1B}[0m" : title))
    }

    func say(_ line: String) { write("  " + line) }

    /// At once, for those who read along through a pipe.
    private func write(_ line: String) {
        if !isQuiet { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
    }

    /// A promise that must have been kept for the story to go on.
    private func expect(_ isKept: Bool, _ promise: String) throws {
        guard isKept else { throw DemoFailure(description: "The demonstration failed: \(promise)") }
        say("✓ " + promise)
    }

    func tell(at url: String) async throws -> Summary {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = clients
        return try await HTTPClient.withHTTPClient(configuration: configuration) { http in
            let application = Application(http: http, url: url, secret: stage.clientSecret)
            let seen = try await tellOneGrant(application)
            var (summary, newest) = try await tellCrowd(application)
            try await tellLog(&summary)
            try tellFiles(seen + [newest.accessToken, newest.refreshToken])
            return summary
        }
    }

    /// One grant from its code to its end; every token that it had.
    private func tellOneGrant(_ application: Application) async throws -> [String] {
        chapter("1. A code becomes tokens")
        let code = try await stage.authorize().code
        say("The user allowed the application to see 'basic'. It was sent the code \(code.glimpse),")
        say("and posts it to \(Application.tokenPath).")
        let first = try await application.exchange(code).pair()
        say(
            "It gets the access token \(first.accessToken.glimpse) and the refresh token \(first.refreshToken.glimpse)"
        )
        try expect(try await generation(of: first) != nil, "The access token is valid.")

        chapter("2. A refresh replaces both tokens")
        let second = try await application.refresh(first.refreshToken).pair()
        say("The refresh token \(first.refreshToken.glimpse) gave \(second.refreshToken.glimpse)")
        try expect(second != first, "Both tokens are new.")

        chapter("3. A lost response logs no user out")
        say("Suppose that response never arrived. The application sends the same request again.")
        let again = try await application.refresh(first.refreshToken).pair()
        try expect(again == second, "It gets the very same pair, byte for byte.")

        chapter("4. A stolen refresh token ends the grant")
        let third = try await application.refresh(second.refreshToken).pair()
        say(
            "The application refreshed once more. Now a thief presents \(first.refreshToken.glimpse) from step 1:"
        )
        let theft = try await application.refresh(first.refreshToken)
        try expect(theft.status == 400 && theft.error == "invalid_grant", "Refused with 400 invalid_grant.")
        let afterwards = try await application.refresh(third.refreshToken)
        let newest = try await generation(of: third)
        try expect(
            afterwards.error == "invalid_grant" && newest == nil,
            "The grant is revoked: its newest tokens are refused, too.")
        return [code] + [first, second, third].flatMap { [$0.accessToken, $0.refreshToken] }
    }

    /// Many instances of one application share one grant, and all refresh at the same moment, again and again.
    private func tellCrowd(_ application: Application) async throws -> (Summary, newest: Tokens) {
        chapter("5. \(clients) simultaneous clients refresh one grant \(refreshes) times")
        say(
            "Every time all \(clients) send the same refresh token at once over their own connections. Some of"
        )
        say("them lose the response and ask again.")
        let authorized = try await stage.authorize()
        var tokens = try await application.exchange(authorized.code).pair()
        var summary = Summary(refreshes: refreshes, clients: clients)
        let commitsBefore = stage.vault.statistics.commits
        let start = ContinuousClock.now
        for turn in 1...refreshes {
            try Task.checkCancellation()
            // Another sixteenth of the crowd each time.
            let lost = (0..<clients).filter { ($0 + turn).isMultiple(of: 16) }
            summary.requests += clients + lost.count
            summary.lostResponses += lost.count
            tokens = try await race(application, tokens.refreshToken, turn, losing: Set(lost))
            showProgress(turn)
        }
        summary.seconds = start.duration(to: .now) / .seconds(1)
        summary.requestsPerSecond = Double(summary.requests) / summary.seconds
        summary.commits = stage.vault.statistics.commits - commitsBefore
        summary.commitsPerRefresh = Double(summary.commits) / Double(refreshes)
        if showsProgress { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        let grant = try await stage.vault.grants.find(authorized.grant)
        try expect(
            Int(grant.generation) == refreshes + 1,
            "Each refresh made exactly one successor: the grant is at generation \(grant.generation).")
        try expect(
            try await generation(of: tokens) == grant.generation,
            "Every client got that same successor, also those that lost a response.")
        say(
            "\(summary.requests) requests, \(summary.lostResponses) of them without a response, in "
                + "\(rounded(summary.seconds, 1)) s, clients and server on one machine. Each pair was made once and "
                + "given to all \(clients) clients. docs/performance.md has measured rates.")
        say(
            "\(summary.commits) commits, each on the disk before its answers went out: "
                + "\(rounded(summary.commitsPerRefresh, 2)) per refresh.")
        return (summary, tokens)
    }

    /// All present `token` at once; all must get the same pair.
    private func race(
        _ application: Application, _ token: String, _ turn: Int, losing lost: Set<Int>
    ) async throws -> Tokens {
        let pairs = try await withThrowingTaskGroup(of: Tokens.self) { group in
            for index in 0..<clients {
                group.addTask {
                    if lost.contains(index) { try await application.loseRefresh(token) }
                    return try await application.refresh(token).pair()
                }
            }
            return try await group.reduce(into: [Tokens]()) { $0.append($1) }
        }
        guard let first = pairs.first, pairs.allSatisfy({ $0 == first }) else {
            throw DemoFailure(description: "The demonstration failed: refresh \(turn) gave two successors.")
        }
        return first
    }

    /// A line that moves on a terminal; elsewhere one line a quarter.
    private func showProgress(_ turn: Int) {
        let line = "refresh \(turn) of \(refreshes)"
        if showsProgress {
            if turn.isMultiple(of: 10) { FileHandle.standardError.write(Data("\r\u{1B}[K\(line)".utf8)) }
        } else if turn.isMultiple(of: max(1, refreshes / 4)) {
            say("… " + line)
        }
    }

    /// The log proves what happened.
    private func tellLog(_ summary: inout Summary) async throws {
        chapter("6. The log proves it")
        let report = try await stage.vault.log.verify()
        try expect(
            report.isIntact,
            "\(report.size) entries verified, and \(report.rows) rows match their last entries.")
        say("Root of the tree: \(report.root)")
        summary.logSize = report.size
        summary.root = report.root
    }

    /// The files as a thief would find them.
    private func tellFiles(_ tokens: [String]) throws {
        chapter("7. The raw files hold no token")
        let names = try FileManager.default.contentsOfDirectory(atPath: stage.directory)
            .filter { $0.hasPrefix("vault") && $0 != "vault.key" }.sorted()
        let files = try names.map { try Data(contentsOf: URL(filePath: "\(stage.directory)/\($0)")) }
        func isFound(_ bytes: some Sequence<UInt8>) -> Bool {
            files.contains { $0.range(of: Data(bytes)) != nil }
        }
        say("Searching \(names.joined(separator: ", ")): \(files.map(\.count).reduce(0, +) / 1024) KiB.")
        try expect(
            isFound("token.refresh".utf8),
            "The search works: it finds the log's own words, which are public.")
        // Every token and secret begins with one of these, so no text of any of them is there.
        let prefixes = ["tv_ac_", "tv_at_", "tv_rt_", "tv_cs_"]
        try expect(
            !prefixes.contains { isFound($0.utf8) },
            "No code, access token, refresh token or client secret: no text begins with "
                + "\(prefixes.joined(separator: " ")).")
        // What stands behind the prefix is base64url: the bytes that it encodes are not there either.
        let contents = tokens.compactMap { Base64URL.decode($0.utf8.dropFirst("tv_at_".count)) }
        try expect(
            contents.count == tokens.count && !contents.contains { isFound($0) },
            "No bytes of the \(tokens.count) tokens that were searched for.")
        try expect(!isFound(Stage.user.utf8), "No name of the user.")
    }

    private func generation(of tokens: Tokens) async throws -> UInt32? {
        try await stage.vault.validate(SecretBytes(copying: tokens.accessToken))?.generation
    }
}

/// The figures of a demonstration.
struct Summary: Sendable, Encodable {
    let ok = true
    let refreshes, clients: Int
    var requests = 0
    var lostResponses = 0
    var commits = 0
    var seconds = 0.0
    var requestsPerSecond = 0.0
    var commitsPerRefresh = 0.0
    var logSize: Int64 = 0
    var root = ""
    /// Where the vault is, if it was kept.
    var directory: String?

    init(refreshes: Int, clients: Int) {
        self.refreshes = refreshes
        self.clients = clients
    }
}

private func rounded(_ number: Double, _ places: Int) -> String { String(format: "%.\(places)f", number) }
