import Foundation
import Testing
import TokenVault

/// The `tokenvault` command on the rig's vault, in a process that can be killed.
extension Rig {
    struct Ended {
        let end: ChildProcess.End
        let output: [String]
        let complaints: String
    }

    /// - Parameter complaints: a file for what it writes to standard error.
    func command(_ arguments: [String], complaints: String, key: String? = nil) throws -> ChildProcess {
        // The shell becomes the command, so its process id is the command's.
        try ChildProcess(
            ["/bin/sh", "-c", "exec \"$0\" \"$@\" 2>\"$COMPLAINTS\"", Self.commandPath] + arguments,
            environment: [
                "TOKENVAULT_PATH": path, "TOKENVAULT_KEY_FILE": key ?? keyFile,
                "COMPLAINTS": directory + "/" + complaints,
            ])
    }

    /// Runs it to its end.
    func ended(_ arguments: [String], key: String? = nil) async throws -> Ended {
        let name = "complaints-" + UUID().uuidString
        return try await ended(command(arguments, complaints: name, key: key), complaints: name)
    }

    func ended(_ child: ChildProcess, complaints: String) async -> Ended {
        var output: [String] = []
        for await line in child.lines { output.append(line) }
        let end = await child.end()
        let file = directory + "/" + complaints
        let said = FileManager.default.contents(atPath: file) ?? Data()
        try? FileManager.default.removeItem(atPath: file)
        return Ended(end: end, output: output, complaints: String(decoding: said, as: UTF8.self))
    }

    /// What a query of the file counts, whoever writes meanwhile.
    func count(_ query: String) async throws -> Int {
        let text = try await run("sqlite3", "-readonly", "-cmd", ".timeout 10000", path, query)
        return try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)), "\(query)")
    }

    /// Rows that only a rotation that was not finished leaves behind.
    func rotationsBegun() async throws -> Int {
        try await count(
            "SELECT (SELECT count(*) FROM role_keys WHERE state = 2) + (SELECT count(previous_version) FROM owner_keys) "
                + "+ (SELECT count(*) FROM jobs)")
    }

    static let commandPath: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (bundle as NSString).deletingLastPathComponent + "/tokenvault"
    }()
}
