import ArgumentParser
import TokenVault
import VaultAudit

/// Hands the log on, in formats of others.
struct AuditExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Export the log as tlog-tiles or NDJSON.",
        discussion: """
              tiles   a directory as C2SP tlog-tiles; run again, it adds what is new
              ndjson  the exact bytes of each entry, one a line

            Examples:
              tokenvault audit export --format tiles /var/www/log
              tokenvault audit export --format ndjson --from 4096 > log.ndjson
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case tiles, ndjson }

    @Option(help: "Format of the export, as above.")
    var format: Format
    @Argument(help: "Where tiles go.", completion: .directory)
    var directory: String?
    @Option(help: "The first entry, for ndjson.")
    var from: Int64 = 0
    @Option(help: "Maximum number of entries, for ndjson (default: all).")
    var limit: Int?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard from >= 0, limit ?? 1 > 0 else {
            throw ValidationError("--limit is at least 1 and --from not negative.")
        }
        guard (format == .tiles) == (directory != nil) else {
            throw ValidationError(
                format == .tiles ? "Name the directory for the tiles." : "Only tiles go into a directory.")
        }
        guard format != .tiles || (from == 0 && limit == nil) else {
            throw ValidationError(
                "Tiles go on from what the directory holds; --from and --limit are for lines.")
        }
    }

    func run() async throws {
        try await location.withVault { vault in
            if let directory {
                let summary = try await vault.log.exportTiles(to: directory) {
                    Console.progress("exporting: \(Int($0 * 100)) %")
                }
                Console.progress("")
                try output.show(
                    Shown([
                        .json("size", summary.size), .text("entries", "\(summary.size)"),
                        .both("first_kept", summary.firstKept), .both("files_written", summary.filesWritten),
                        .both("verifier_key", vault.log.verifierKey),
                    ]))
            } else {
                try await printLines(vault)
            }
        }
    }

    private func printLines(_ vault: Vault) async throws {
        let end = try await vault.auditSize()
        var next = from
        var left = limit ?? .max
        while next < end, left > 0 {
            let page = try await vault.log.leaves(from: next, limit: min(1000, left)).filter {
                $0.index < end
            }
            guard let last = page.last else { break }
            for entry in page { try Console.print(String(decoding: entry.leaf, as: UTF8.self)) }
            next = last.index + 1
            left -= page.count
        }
        output.note("The next entry is \(next): continue with --from \(next)")
    }
}
