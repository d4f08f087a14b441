import ArgumentParser
import Foundation
import SQLiteStore
import TokenVault
import VaultAudit
import VaultCore

/// Prints entries as they are written, and remembers how far it came.
struct AuditFollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Print entries as they come, for another system.",
        discussion: """
            Prints one JSON object a line, as 'audit list --json' does. With --cursor-file it continues where it \
            stopped. The file is written after the lines: after a crash some come twice, and none is lost. \
            Without a cursor it starts at --from. FILE.checkpoint identifies the log. After a restore it \
            continues with the entry vault.restore, and says so. Any other log ends it with exit code 7.

            Examples:
              tokenvault audit follow --cursor-file /var/lib/app/siem.cursor | ship-to-siem
              tokenvault audit follow --from 0 --until-end
            """)

    @Option(
        help: ArgumentHelp(
            "Where to keep the number of the next entry (and FILE.checkpoint).", valueName: "file"),
        completion: .file())
    var cursorFile: String?
    @Option(help: "The first entry to print without a cursor.")
    var from: Int64 = 0
    @Flag(help: "End after the newest entry instead of waiting for more.")
    var untilEnd = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard from >= 0 else { throw ValidationError("--from is not negative.") }
    }

    func run() async throws {
        let cursor = cursorFile.map { AuditCursor(path: $0) }
        var next = try cursor?.next() ?? from
        try await location.withVault { vault in
            if let kept = try cursor?.checkpoint() {
                let fork = try await vault.log.continuation(from: next, after: kept)
                if fork < next {
                    Console.note(
                        """
                        The log forked at entry \(fork): the vault was restored from a backup. Entries \(fork) \
                        to \(next - 1) that were printed are of the log before. Continuing with entry \(fork).
                        """)
                    next = fork
                }
            }
            let size = try await vault.auditSize()
            guard next <= size else {
                throw VaultError(
                    .integrity, "The cursor is at entry \(next); the log has \(size).",
                    remedy:
                        "The vault is older than the cursor: restore the newest copy, or remove the cursor file."
                )
            }
            while true {
                let page = try await vault.log.entries(from: next, limit: 1000)
                if let first = page.first, first.index > next {
                    Console.note(
                        "Entries \(next) to \(first.index - 1) were pruned before they were read here.")
                }
                if let last = page.last {
                    for entry in page { try Console.print(JSONText.encode(Shown(entry))) }
                    next = last.index + 1
                    try await cursor?.write(next, vault)
                } else if untilEnd {
                    return
                } else {
                    // One read of one row until something comes.
                    while try await vault.auditSize() <= next {
                        try await Task.sleep(for: .milliseconds(500))
                    }
                }
            }
        }
    }
}

/// How far a reader of the log came: the number of the next entry, and beside it the newest checkpoint of that time, which
/// names the log.
private struct AuditCursor {
    let path: String
    private var checkpointPath: String { path + ".checkpoint" }

    /// Nil when there is no such file yet.
    func next() throws -> Int64? {
        guard let bytes = try read(path, limit: 32) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasSuffix("\n"), let next = Int64(text.dropLast()), next >= 0 else {
            throw VaultError(
                .invalidInput, "\(path) does not hold the number of an entry.",
                remedy: "Write the number and a newline into it, or remove it.")
        }
        return next
    }

    /// Nil where only the number was ever written.
    func checkpoint() throws -> [UInt8]? {
        access(path, F_OK) == 0 ? try read(checkpointPath, limit: Limits.signedNoteBytes) : nil
    }

    /// Each is replaced in one step, durably. The number first: with the checkpoint from before it, a fork is found again,
    /// and some entries come twice.
    func write(_ next: Int64, _ vault: Vault) async throws {
        for (path, text) in [(path, "\(next)\n"), (checkpointPath, try await vault.log.checkpoint())] {
            let file = try DraftFile(of: path)
            try file.write(Array(text.utf8))
            try file.publish(replacing: true)
        }
    }

    private func read(_ path: String, limit: Int) throws -> [UInt8]? {
        guard access(path, F_OK) == 0 else { return nil }
        return try SmallFile.read(
            path, limit: limit, closed: .toWritingByAnybody, remedy: "Check --cursor-file.")
    }
}
