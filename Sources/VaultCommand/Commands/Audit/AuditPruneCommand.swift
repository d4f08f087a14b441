import ArgumentParser
import VaultAudit
import VaultCore

struct AuditPruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove old entries and their personal data; proofs about the rest stay valid.",
        discussion: """
            Removes whole tiles of 256 entries. First, new entries name the live rows whose last entry would go, \
            and one entry announces the first kept entry; then bytes are removed. Without --confirm it says what \
            it would do. After a crash, run the same command again.

            Examples:
              tokenvault audit prune --before 2026-01-01
              tokenvault audit prune --keep 1000000 --confirm 52736
            """)

    @Option(help: ArgumentHelp("Remove entries older than this.", valueName: "time"))
    var before: InstantArgument?
    @Option(help: ArgumentHelp("Number of the newest entries to keep at least.", valueName: "entries"))
    var keep: Int64?
    @Option(help: ArgumentHelp("The first kept entry, as printed without this option.", valueName: "entry"))
    var confirm: Int64?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard (before == nil) != (keep == nil) else { throw ValidationError("Give --before or --keep.") }
        guard keep ?? 0 >= 0 else { throw ValidationError("--keep is not negative.") }
    }

    func run() async throws {
        try await location.withVault { vault in
            let retention = before.map { AuditRetention.since($0.instant) } ?? .newest(keep ?? 0)
            let plan = try await vault.log.planPrune(keeping: retention)
            guard plan.entries > 0 else {
                output.note("Nothing to remove: entries are removed in whole tiles of 256.")
                return try output.show(Shown(plan, removed: 0))
            }
            guard let confirm else {
                throw VaultError(
                    .confirmationRequired,
                    "\(plan.entries) entries before entry \(plan.newFirstKept) would be removed, with \(plan.personalRecords) pieces of personal data; \(plan.rows) live rows would be named by new entries. This cannot be undone.",
                    remedy: "Export them first if you need them, then give --confirm \(plan.newFirstKept)")
            }
            // The log has grown since: what was agreed to is removed, and no more.
            guard confirm > plan.firstKept, confirm <= plan.newFirstKept,
                let agreed = plan.limited(to: confirm)
            else {
                throw VaultError(
                    .confirmationRequired, "--confirm names another first entry.",
                    remedy: "Give the present one: --confirm \(plan.newFirstKept)")
            }
            _ = try await vault.log.prune(agreed) { Console.progress("pruning: \(Int($0 * 100)) %") }
            Console.progress("")
            try output.show(Shown(agreed, removed: agreed.entries))
        }
    }
}

extension Shown {
    fileprivate init(_ plan: PrunePlan, removed: Int64) {
        self.init([
            .both("removed", removed), .both("first_kept", removed > 0 ? plan.newFirstKept : plan.firstKept),
            .json("size", plan.size), .text("entries", "\(plan.size)"),
        ])
    }
}
