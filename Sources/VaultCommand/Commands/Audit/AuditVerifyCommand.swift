import ArgumentParser
import TokenVault
import VaultAudit

/// Checks the log, and the whole database against it.
struct AuditVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check that log and database are as they were written.",
        discussion: """
            Recomputes the tree from its entries, checks the signature over its root, and compares every row \
            with the last entry that names it. Exit code 7 means that something was edited, removed, moved or \
            restored: each finding has its place, and affected grants and proven entries are listed. --since \
            checks that the log begins with that checkpoint, and the entries after it. A damaged or read-only \
            vault is read as far as possible.

            Examples:
              tokenvault audit verify
              tokenvault audit verify --since monday.checkpoint --json
            """)

    @Option(
        help: ArgumentHelp("An older signed checkpoint to start from.", valueName: "file"),
        completion: .file())
    var since: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let (verdict, isIntact): (Shown, Bool)
        let since = try since.map { String(decoding: try ProofFile.checkpoint($0), as: UTF8.self) }
        let progress = { @Sendable (share: Double) in
            Console.progress("verifying: \(Int(share * 100)) %")
        }
        let place = try location.existingPlace()
        let source = try location.key.source()
        do {
            let report = try await location.withVault(unlockedBy: source) { refusal in
                guard case .file(let path) = place, refusal.isDamage || refusal.isOfWriting else {
                    throw refusal
                }
                let report: AuditReport
                do {
                    report = try await VaultLog.verify(
                        at: path, unlockedBy: source, refusal: refusal, since: since, progress: progress)
                } catch  where refusal.isDamage { throw refusal }
                if refusal.isOfWriting {
                    output.note("The vault cannot be written, so its log has no entry of this check.")
                }
                return report
            } _: { vault in
                try await vault.log.verify(since: since, progress: progress)
            }
            Console.progress("")
            (verdict, isIntact) = (Shown(report), report.isIntact)
        } catch let error as VaultError where error.isDamage {
            // Damage that keeps the vault from opening is a finding as well.
            Console.progress("")
            (verdict, isIntact) = (Shown(unopened: error.message), false)
        }
        try output.show(verdict)
        guard isIntact else { throw ExitStatus.integrity }
    }
}

extension VaultError {
    /// Stored bytes are not what was written.
    fileprivate var isDamage: Bool { code == .integrity || code == .schemaChanged }
    fileprivate var isOfWriting: Bool { code == .readOnly || code == .permissionDenied }
}

extension Shown {
    /// `{"ok":true,"root":"…","rows":N,"size":N}`, with `first_kept` where the log was pruned and `since` where it was not
    /// checked from its beginning; where not ok, what is wrong, what is affected, what is not.
    init(_ report: AuditReport) {
        let firstKept = report.firstKept > 0 ? report.firstKept : nil
        let since = report.since > 0 ? report.since : nil
        var fields: [Field] = [
            .json("ok", report.isIntact), .text("log", "intact"), .json("size", report.size),
            .text("entries", "\(report.size)"), .both("root", report.root), .json("rows", report.rows),
            .json("since", since), .text("checked_from", since.map { "\($0)" }),
            .both("first_kept", firstKept), .json("notes", report.notes.isEmpty ? nil : report.notes),
        ]
        guard !report.isIntact else {
            self.init(fields)
            lines += report.notes
            return
        }
        fields += [
            .json("findings", report.findings), .json("further_findings", report.furtherFindings),
            .json("first_bad_entry", report.firstBadEntry), .json("affected_grants", report.affectedGrants),
            .json(
                "further_affected_grants",
                report.furtherAffectedGrants > 0 ? report.furtherAffectedGrants : nil),
            .json("proven_size", report.provenSize), .json("untouched_rows", report.untouchedRows),
            .json("grants", report.grants), .json("untouched_grants", report.untouchedGrants),
        ]
        var lines = Self.lines(of: report.findings)
        if report.furtherFindings > 0 { lines.append("  and \(report.furtherFindings) more") }
        if let first = report.firstBadEntry { lines.append("First bad entry: \(first)") }
        let affected = report.affectedGrants.map(String.init).joined(separator: ", ")
        if !affected.isEmpty {
            let further = report.furtherAffectedGrants
            lines.append("Affected grants: \(affected)\(further > 0 ? " and \(further) more" : "")")
        }
        lines.append("Can still be trusted:")
        lines.append(
            report.provenSize > report.firstKept
                ? "  entries \(report.firstKept) to \(report.provenSize - 1), which are as they were signed"
                : "  no entry: nothing that is there leads up to a signed root")
        lines.append(
            "  \(report.untouchedRows) of \(report.rows) rows, \(report.untouchedGrants) of \(report.grants) grants: they are what proven entries say"
        )
        self.init(fields, lines: lines)
    }

    /// The vault is so damaged that it does not open.
    fileprivate init(unopened problem: String) {
        let findings = [AuditFinding(place: "vault", problem: problem)]
        self.init([.json("ok", false), .json("findings", findings)], lines: Self.lines(of: findings))
    }

    private static func lines(of findings: [AuditFinding]) -> [String] {
        ["The log or the database is NOT what was written:"]
            + findings.map { "  \(Console.harmless($0.place)): \(Console.harmless($0.problem))" }
    }
}
