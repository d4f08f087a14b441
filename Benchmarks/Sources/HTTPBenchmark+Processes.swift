import Foundation

extension HTTPBenchmark {
    /// Starts a program in the background, quietly.
    static func start(_ program: String, _ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Ends it and waits until it has.
    static func stop(_ process: Process) {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
    }

    /// Runs a program of the path to its end and returns what it printed.
    static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchmarkFailure("\(program) failed: \(text)") }
        return text
    }

    /// The URL a server writes once it answers.
    static func url(in file: String) async throws -> String {
        for _ in 0..<200 {
            if let text = try? String(contentsOfFile: file, encoding: .utf8), text.hasSuffix("\n") {
                return String(text.dropLast())
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw BenchmarkFailure("The server did not become ready.")
    }

    static func waitUntilAnswering(_ url: String) async throws {
        for _ in 0..<200 {
            if (try? run("curl", ["-s", "-o", "/dev/null", "-d", "a=b", url])) != nil { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw BenchmarkFailure("Nothing answers at \(url).")
    }
}

/// Processor time of a process.
enum ProcessTime {
    /// User and system time of all its threads so far (proc(5), fields 14 and 15 of stat).
    static func seconds(of process: Int32) -> Double {
        let stat = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
        let fields = stat.split(separator: " ")
        guard fields.count > 14, let user = Double(fields[13]), let system = Double(fields[14]) else {
            return 0
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
