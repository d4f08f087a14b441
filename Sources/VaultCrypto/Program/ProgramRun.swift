import CSodium
import CVaultShims
import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// One run of a program: given its input at once, its output read to the end, bounded in length and time.
struct ProgramRun {
    let path: String
    /// `NAME=value`.
    let environment: [String]
    let deadline: Duration

    enum Failure: Error {
        case start(Int32)
        case pipe(Int32)
        case deadline
        case flood
        case status(Int32)
        case signal(Int32)
        case answer(VaultError)
    }

    /// More than any answer: base64 of the longest blob, and the braces.
    private static let outputLimit = 16 * 1024

    /// Lends what the program wrote, if it ended well.
    func exchange<Result>(
        _ input: [UInt8], _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(Failure) -> Result {
        let end = ContinuousClock.now + deadline
        return try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.outputLimit) {
            output throws(Failure) in
            defer { unsafe sodium_memzero(output.baseAddress, output.count) }
            let (process, answers) = try start(input)
            defer { close(answers) }
            let count: Int
            let status: Int32
            do throws(Failure) {
                count = try unsafe read(answers, into: output, until: end)
                status = try wait(for: process, until: end)
            } catch {
                stop(process)
                throw error
            }
            // It is gone: its number may be somebody else's by now, and is not to be killed.
            guard status & 0x7F == 0 else { throw .signal(status & 0x7F) }
            let code = status >> 8 & 0xFF
            guard code == 0 else { throw .status(code) }
            let answer = unsafe UnsafeBufferPointer(rebasing: output[..<count])
            do throws(VaultError) { return try unsafe body(answer) } catch { throw .answer(error) }
        }
    }

    /// Starts it with `input` in a pipe already, so that nothing has to be written to one that nobody reads.
    private func start(_ input: [UInt8]) throws(Failure) -> (process: pid_t, answers: Int32) {
        var (question, answer): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        var code = unsafe tv_private_pipe(&question)
        guard code == 0 else { throw .pipe(code) }
        defer { close(question[0]) }
        _ = fcntl(question[1], F_SETFL, O_NONBLOCK)
        let written = unsafe write(question[1], input, input.count)
        let number = errno
        close(question[1])
        guard written == input.count else { throw .pipe(written < 0 ? number : EAGAIN) }
        code = unsafe tv_private_pipe(&answer)
        guard code == 0 else { throw .pipe(code) }
        defer { close(answer[1]) }
        var variables = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer { unsafe variables.forEach { unsafe free($0) } }
        var process: pid_t = 0
        code = unsafe tv_start_program(path, &variables, question[0], answer[1], &process)
        guard code == 0 else {
            close(answer[0])
            throw .start(code)
        }
        return (process, answer[0])
    }

    private func read(
        _ descriptor: Int32, into output: UnsafeMutableBufferPointer<UInt8>,
        until end: ContinuousClock.Instant
    ) throws(Failure) -> Int {
        var filled = 0
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&waiting, 1, try Self.milliseconds(until: end))
            if ready <= 0 { continue }
            let rest = unsafe UnsafeMutableBufferPointer(rebasing: output[filled...])
            guard !rest.isEmpty else { throw .flood }
            let count = unsafe SystemCall.readOnce(descriptor, into: rest)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .pipe(errno) }
            if count == 0 { return filled }
            filled += count
        }
    }

    /// It closed its output; now it has to end.
    private func wait(for process: pid_t, until end: ContinuousClock.Instant) throws(Failure) -> Int32 {
        var status: Int32 = 0
        while true {
            let ended = unsafe waitpid(process, &status, WNOHANG)
            if ended == process { return status }
            // Somebody else's wait took it: how it ended cannot be known.
            guard ended == 0 || errno == EINTR else { throw .pipe(errno) }
            _ = poll(nil, 0, min(5, try Self.milliseconds(until: end)))
        }
    }

    /// With all that it started in its session's first group.
    private func stop(_ process: pid_t) {
        kill(-process, SIGKILL)
        kill(process, SIGKILL)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
    }

    private static func milliseconds(until end: ContinuousClock.Instant) throws(Failure) -> Int32 {
        let left = end - ContinuousClock.now
        guard left > .zero else { throw .deadline }
        return Int32(clamping: left.milliseconds + 1)
    }
}
