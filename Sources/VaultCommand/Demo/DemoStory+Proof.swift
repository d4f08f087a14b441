import TokenVault
import VaultCore

extension DemoStory {
    /// The log proves what happened.
    func tellLog() async throws -> AuditReport {
        try chapter("6. The log proves it")
        let report = try await stage.vault.verifyAudit { _ in }
        try expect(
            report.isIntact,
            "\(report.size) entries verified, and \(report.rows) rows are what their last entries say.")
        try say("Root of the tree: \(report.root)")
        return report
    }

    /// The files as a thief would find them.
    func tellFiles(_ tokens: [SecretBytes]) throws {
        try chapter("7. The raw files hold no token")
        let scan = try FileScan(stage.vaultPath)
        try say("Searching \(scan.files.joined(separator: ", ")): \(scan.byteCount / 1024) KiB.")
        try expect(
            scan.contains("token.refresh"),
            "The search works: it finds the log's own words, which are public.")
        // Every token and secret begins with one of these, so no text of any of them is there.
        let prefixes = ["tv_ac_", "tv_at_", "tv_rt_", "tv_cs_"]
        try expect(
            !prefixes.contains { scan.contains($0) },
            "No code, access token, refresh token or client secret: no text begins with \(prefixes.joined(separator: " "))."
        )
        try expect(
            !tokens.contains { scan.contains(token: $0) },
            "None of the bytes inside the \(tokens.count) tokens looked at.")
        try expect(!scan.contains(DemoStage.user), "Not the name of the user either.")
    }
}
