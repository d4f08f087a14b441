import ArgumentParser
import Foundation
import TokenVault
import VaultCore

/// Prints entries as they are written, and remembers how far it came.
struct AuditFollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow",
        abstract: "Print entries as they come, for another system to take in.",
        discussion: """
            One JSON object a line, as 'audit list --json' prints them. With --cursor-file it goes on after a restart \
            where it had come to; the file is written after the lines, so that a crash prints some of them twice and \
            loses none. Without a cursor yet it begins at --from. After a restore, write the number of the vault.restore \
            entry into the cursor file: a restored log uses the numbers after its backup again.

            Examples:
              tokenvault audit follow --cursor-file /var/lib/app/siem.cursor | ship-to-siem
              tokenvault audit follow --from 0 --until-end
            """)

    @Option(
        help: ArgumentHelp("Where to keep the number of the next entry.", valueName: "file"),
        completion: .file())
    var cursorFile: String?
    @Option(help: "The first entry, where no cursor says otherwise.")
    var from: Int64 = 0
    @Flag(help: "End when everything is printed instead of waiting for more.")
    var untilEnd = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard from >= 0 else { throw ValidationError("--from is not negative.") }
    }

    func run() async throws {
        var next = try cursorFile.flatMap(readCursor) ?? from
        try await location.withVault { vault in
            let size = try vault.auditSize()
            guard next <= size else {
                throw VaultError(
                    .integrity, "The cursor is at entry \(next); the log has \(size).",
                    remedy:
                        "The vault is older than the cursor: restore the newest copy, or remove the cursor file."
                )
            }
            while true {
                let page = try vault.auditEntries(from: next, limit: 1000)
                if let first = page.first, first.index > next {
                    Console.note(
                        "Entries \(next) to \(first.index - 1) were pruned before they were read here.")
                }
                if let last = page.last {
                    for entry in page { try Console.print(JSONText.encode(Shown(entry))) }
                    next = last.index + 1
                    if let cursorFile {
                        // Replaced in one step, durably.
                        let file = try DraftFile(of: cursorFile)
                        try file.write(Array("\(next)\n".utf8))
                        try file.publish(replacing: true)
                    }
                } else if untilEnd {
                    return
                } else {
                    // One read of one row until something comes.
                    while try vault.auditSize() <= next { try await Task.sleep(for: .milliseconds(500)) }
                }
            }
        }
    }

    /// Nil when there is no such file yet.
    private func readCursor(_ path: String) throws -> Int64? {
        guard access(path, F_OK) == 0 else { return nil }
        let bytes = try SmallFile.read(
            path, limit: 32, closed: .toWritingByAnybody, remedy: "Check --cursor-file.")
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasSuffix("\n"), let next = Int64(text.dropLast()), next >= 0 else {
            throw VaultError(
                .invalidInput, "\(path) does not hold the number of an entry.",
                remedy: "Write the number and a newline into it, or remove it.")
        }
        return next
    }
}
