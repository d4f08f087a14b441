import Foundation

/// `tokenvault serve` in a process of its own.
final class RunningService: Sendable {
    let url: String
    /// Where metrics are, with `--admin-listen`.
    let admin: String?
    private let place: Workplace
    private let child: ChildProcess

    var processID: Int32 { child.processID }

    /// Starts it on a free port and returns when it serves.
    ///
    /// - Parameter tracer: a program, and its arguments, that runs it.
    init(
        in place: Workplace, _ arguments: [String] = [], environment: [String: String] = [:],
        under tracer: [String] = []
    ) async throws {
        self.place = place
        try place.write("", to: "serve.log")
        let announcement = place.path + "/announcement"
        guard mkfifo(announcement, 0o600) == 0 else { throw Missing.value("a pipe") }
        // Open for both, so that neither side waits for the other to come.
        let pipe = open(announcement, O_RDWR | O_CLOEXEC)
        defer {
            close(pipe)
            unlink(announcement)
        }
        let command = tracer + [Tool.path]
        child = try ChildProcess(
            command[0],
            command.dropFirst() + ["serve", "--listen", "127.0.0.1:0", "--ready-file", "ready", "--json"]
                + arguments,
            environment: place.environment.merging(environment) { $1 },
            directory: place.path,
            streams: ("/dev/null", announcement, place.path + "/serve.log"))
        // The JSON line says that it serves: waiting for it needs no clock.
        var ready = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 60_000) == 1 else {
            child.signal(SIGKILL)
            throw Missing.value("a service: \((try? place.text("serve.log")) ?? "")")
        }
        url = try place.text("ready").trimmingCharacters(in: .newlines)
        var line = [UInt8](repeating: 0, count: 4096)
        let count = read(pipe, &line, line.count)
        let announced = try Ending.object(String(decoding: line.prefix(max(0, count)), as: UTF8.self))
        admin = announced["admin"] as? String
    }

    deinit { child.signal(SIGKILL) }

    /// Sends a signal and waits for the exit status.
    func end(by signal: Int32) async -> Int32 {
        child.signal(signal)
        return await child.end()
    }

    /// Waits for its end, which comes by itself.
    func end() async -> Int32 { await child.end() }

    /// Sends a signal that it outlives.
    func signal(_ number: Int32) { child.signal(number) }

    func log() throws -> String { try place.text("serve.log") }

    /// A file of `/proc` about the process.
    func proc(_ name: String) throws -> String { try place.text("/proc/\(processID)/\(name)") }
}
