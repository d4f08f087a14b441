import Foundation
import Synchronization

/// A program that runs beside the test, its three streams bound to files.
final class ChildProcess: Sendable {
    let processID: pid_t
    private let state = Mutex<State>(State())
    private typealias CloseFrom =
        @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    /// In every C library that is new enough, but not in the headers that Swift reads.
    private static let closeFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
        unsafeBitCast($0, to: CloseFrom.self)
    }

    private struct State {
        var status: Int32?
        var waiting: CheckedContinuation<Int32, Never>?
    }

    /// - Parameter streams: paths of standard input, output and error.
    init(
        _ program: String, _ arguments: [String], environment: [String: String], directory: String,
        streams: (input: String, output: String, error: String)
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, streams.input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, streams.output, O_WRONLY | O_APPEND, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, streams.error, O_WRONLY | O_APPEND, 0)
        // A listening socket of this process would stay open for as long as the child holds it, too, and whoever
        // connects to it would wait for an answer for ever.
        _ = Self.closeFrom?(&actions, 3)
        // Servers in this process ignore it; a shell's pipeline relies on it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        // The shell goes to the directory: not every C library can do that while spawning.
        let enter = ["/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", directory, program]
        var texts: [UnsafeMutablePointer<CChar>?] = (enter + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in texts + variables { free(text) } }
        var processID: pid_t = 0
        let code = posix_spawn(&processID, "/bin/sh", &actions, &attributes, &texts, &variables)
        guard code == 0 else {
            throw Missing.value("a process for \(program): \(String(cString: strerror(code)))")
        }
        self.processID = processID
        Thread.detachNewThread { [self] in wait() }
    }

    /// Waits for the end; 128 and the signal's number when it was killed.
    func end() async -> Int32 {
        await withCheckedContinuation { continuation in
            let status = state.withLock { state in
                if state.status == nil { state.waiting = continuation }
                return state.status
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    /// Sends a signal, unless the process has ended.
    func signal(_ number: Int32) {
        state.withLock { state in
            if state.status == nil { _ = kill(processID, number) }
        }
    }

    private func wait() {
        var information = siginfo_t()
        // Looks first and reaps under the lock, so that no signal goes to a process that took over the number.
        while waitid(P_PID, id_t(processID), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let (waiting, status) = state.withLock { state in
            var ended: Int32 = 0
            while waitpid(processID, &ended, 0) < 0, errno == EINTR {}
            let status = ended & 0x7F == 0 ? (ended >> 8) & 0xFF : 128 + (ended & 0x7F)
            state.status = status
            defer { state.waiting = nil }
            return (state.waiting, status)
        }
        waiting?.resume(returning: status)
    }
}
