import Foundation
import Synchronization
import TestSupport

/// A directory of its own for one test, in which programs run; gone at the end.
final class Workplace: Sendable {
    let path: String
    /// Of every program here: nothing of the machine's leaks into a test.
    let environment: [String: String]
    private let count = Atomic<Int>(0)

    /// - Parameters:
    ///   - vault: what commands use unless told otherwise.
    ///   - services: the file in which libpq finds services.
    init(vault: String = "V", services: String? = nil) throws {
        path = FileManager.default.temporaryDirectory.path + "/command-tests-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        var environment = [
            "PATH": Tool.directory + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": path,
            "TOKENVAULT_PATH": vault, "TOKENVAULT_KEY_FILE": "K", "LC_ALL": "C.UTF-8",
            "LD_LIBRARY_PATH": ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"] ?? "",
        ]
        environment["PGSERVICEFILE"] = services
        self.environment = environment
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A vault `V` with its key file `K`, which all commands here use unless told otherwise.
    static func withVault() async throws -> Workplace {
        let place = try Workplace()
        let made = try await place.run(["init", "--create-key-file"])
        guard made.status == 0 else { throw Missing.value("a vault: \(made.complaints)") }
        return place
    }

    /// The same in a database of its own, with one server and no standby.
    static func withVault(in cluster: PostgresCluster) async throws -> Workplace {
        let service = try cluster.makeDatabase()
        let place = try Workplace(vault: "postgres:\(service)", services: PostgresCluster.servicesFile)
        let made = try await place.run(["init", "--create-key-file", "--single"])
        guard made.status == 0 else { throw Missing.value("a vault: \(made.complaints)") }
        return place
    }

    /// Every command with its words, as `--help` lists them; the root's are empty.
    func commands() async throws -> [[String]] { try await Self.all.value }

    /// Asked once for all tests: that is a process for each command.
    private static let all = Task {
        func below(_ words: [String], in place: Workplace) async throws -> [[String]] {
            let help = try await place.run(words + ["--help"])
            guard let start = help.output.firstRange(of: "SUBCOMMANDS:\n") else { return [words] }
            let names = help.output[start.upperBound...].matches(of: /^  ([a-z-]+)/.anchorsMatchLineEndings())
                .map { String($0.1) }
            var all = [words]
            for name in names { all += try await below(words + [name], in: place) }
            return all
        }
        return try await below([], in: Workplace())
    }

    /// Runs `tokenvault` and waits for its end.
    func run(_ arguments: [String], input: String = "", environment: [String: String] = [:]) async throws
        -> Ending
    {
        try await run(program: Tool.path, arguments, input: input, environment: environment)
    }

    /// Runs a line of shell, with `tokenvault` on the path.
    func shell(_ line: String, environment: [String: String] = [:]) async throws -> Ending {
        try await run(program: "/bin/sh", ["-c", line], environment: environment)
    }

    /// Output goes through files, so however much there is, nothing waits for anything.
    func run(
        program: String, _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) async throws -> Ending {
        let run = ".run-\(count.wrappingAdd(1, ordering: .relaxed).newValue)"
        let name = "\(path)/\(run)"
        try write(input, to: run + ".in")
        for suffix in [".out", ".err"] { try write("", to: run + suffix) }
        let child = try ChildProcess(
            program, arguments, environment: self.environment.merging(environment) { $1 },
            directory: path,
            streams: (name + ".in", name + ".out", name + ".err"))
        let status = await child.end()
        defer {
            for suffix in [".in", ".out", ".err"] {
                try? FileManager.default.removeItem(atPath: name + suffix)
            }
        }
        return Ending(status: status, output: try text(name + ".out"), complaints: try text(name + ".err"))
    }

    func text(_ file: String) throws -> String {
        let name = file.hasPrefix("/") ? file : "\(path)/\(file)"
        return String(decoding: try Data(contentsOf: URL(filePath: name)), as: UTF8.self)
    }

    func write(_ text: String, to file: String, mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(path)/\(file)"))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: "\(path)/\(file)")
    }

    func exists(_ file: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(file)") }
}
