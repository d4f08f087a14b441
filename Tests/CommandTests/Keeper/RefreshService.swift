import Foundation

/// `tokenvault refresh run` in a process of its own.
final class RefreshService: Sendable {
    private let place: Workplace
    private let child: ChildProcess

    /// Starts it and returns when it works.
    init(in place: Workplace, _ arguments: [String] = []) async throws {
        self.place = place
        try place.write("", to: "refresh.log")
        let announcement = place.path + "/refresh-announcement"
        guard mkfifo(announcement, 0o600) == 0 else { throw Missing.value("a pipe") }
        // Open for both, so that neither side waits for the other to come.
        let pipe = open(announcement, O_RDWR | O_CLOEXEC)
        defer {
            close(pipe)
            unlink(announcement)
        }
        child = try ChildProcess(
            Tool.path, ["refresh", "run", "--ready-file", "refreshing", "--json"] + arguments,
            environment: place.environment, directory: place.path,
            streams: ("/dev/null", announcement, place.path + "/refresh.log"))
        var ready = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 60_000) == 1 else {
            child.signal(SIGKILL)
            throw Missing.value("a service: \((try? place.text("refresh.log")) ?? "")")
        }
    }

    deinit { child.signal(SIGKILL) }

    /// Sends a signal and waits for the exit status.
    func end(by signal: Int32) async -> Int32 {
        child.signal(signal)
        return await child.end()
    }

    func log() throws -> String { try place.text("refresh.log") }
}
