import CSodium
import CVaultShims
public import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A program of the operator's that wraps and unwraps 32 bytes with a key that it keeps elsewhere.
///
/// It is started once for each question, without arguments, reads one JSON object to the end of its standard input,
/// writes one to its standard output and ends with status 0. Its standard error is ours.
///
/// ```
/// {"version":1,"op":"wrap","vault":"<32 hex digits>","slot":"<32 hex digits>","key":"<base64 of 32 bytes>"}   → {"blob":"<base64>"}
/// {"version":1,"op":"unwrap","vault":"…","slot":"…","blob":"<base64>"}                                        → {"key":"<base64>"}
/// ```
///
/// Its path comes from the caller who opens the vault and never from the database: what could write that row could
/// otherwise run programs here.
public struct KeyProgram: Sendable {
    /// The absolute path of the program.
    public let path: String
    /// The time it has to answer.
    public let deadline: Duration

    /// - Throws: `invalidInput` when `path` is not absolute.
    public init(path: String, deadline: Duration = .seconds(30)) throws(VaultError) {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw VaultError(
                .invalidInput, "A key program is named by its absolute path.",
                remedy: "For example: /usr/local/libexec/vault-key.")
        }
        self.path = path
        self.deadline = deadline
    }

    /// What the slot keeps so that ``unwrap(_:vault:slot:)`` gives `key`: 1 to 4096 bytes.
    func wrap(_ key: GuardedKey, vault: VaultID, slot: [UInt8]) throws(VaultError) -> [UInt8] {
        var question = unsafe key.withBytes {
            unsafe Self.question("wrap", vault, slot, "key", $0.bindMemory(to: UInt8.self))
        }
        defer { Sodium.wipe(&question) }
        return try unsafe answer(question) { text throws(VaultError) in
            let capacity = Limits.keyProgramBlobBytes
            var blob = [UInt8](repeating: 0, count: capacity)
            guard let count = unsafe Self.decode(text, member: "blob", into: &blob, capacity),
                count > 0
            else { throw garbage }
            return Array(blob.prefix(count))
        }
    }

    /// The key inside `blob`, if the program is the one that wrapped it; any key at all otherwise.
    func unwrap(_ blob: [UInt8], vault: VaultID, slot: [UInt8]) throws(VaultError) -> GuardedKey {
        let question = unsafe blob.withUnsafeBufferPointer {
            unsafe Self.question("unwrap", vault, slot, "blob", $0)
        }
        return try unsafe answer(question) { text throws(VaultError) in
            var count: Int?
            let key = unsafe GuardedKey { bytes in
                count = unsafe Self.decode(text, member: "key", into: bytes, GuardedKey.byteCount)
            }
            guard count == GuardedKey.byteCount else { throw garbage }
            return key
        }
    }

    private func answer<Result>(
        _ question: [UInt8], _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        // Anyone who can write the program can have the key.
        try Self.checkFile(path, called: "key program", remedy: "Name a key program.")
        do throws(ProgramRun.Failure) {
            return try unsafe ProgramRun(path: path, environment: Self.environment, deadline: deadline)
                .exchange(question, body)
        } catch {
            throw report(error)
        }
    }

    /// - Throws: `permissionDenied` where others than its owner may write the file, or its owner is neither us nor root.
    package static func checkFile(
        _ path: String, called name: String, remedy: String
    ) throws(VaultError) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            throw SystemCall.failure("examine the \(name)", path, errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw VaultError(.invalidInput, "\(path) is not a regular file.", remedy: remedy)
        }
        guard status.st_mode & 0o022 == 0, [0, geteuid()].contains(status.st_uid) else {
            throw VaultError(
                .permissionDenied, "Users other than you and root may write the \(name) \(path).",
                remedy: "Run `chmod go-w \(path)`, and see who owns it.")
        }
    }

    /// Little on purpose: a program is configured by the file that one variable names, or by its own path.
    private static var environment: [String] {
        ["CREDENTIALS_DIRECTORY", "TOKENVAULT_KEY_EXEC_SETTINGS"].compactMap { name in
            guard let value = unsafe getenv(name) else { return nil }
            return name + "=" + (unsafe String(cString: value))
        }
    }

    private var garbage: VaultError {
        VaultError(
            .unavailable, "The key program \(path) gave a malformed answer.",
            remedy:
                #"It must print {"blob":"…"} or {"key":"…"} in base64, and nothing else (docs/keys.md)."#
        )
    }

    private func report(_ failure: ProgramRun.Failure) -> VaultError {
        switch failure {
        case .start(let number): SystemCall.failure("run the key program", path, number)
        case .pipe(let number): SystemCall.failure("talk to the key program", path, number)
        case .deadline:
            VaultError(
                .unavailable, "The key program \(path) did not end in time and was killed.",
                remedy: "Run it by hand, and check that the service it calls can be reached.")
        case .flood:
            VaultError(
                .unavailable, "The key program \(path) printed more than an answer may have and was killed.",
                remedy: "It must print one JSON object and nothing else.")
        case .status(let status):
            VaultError(
                .locked, "The key program \(path) refused: it ended with status \(status).",
                remedy: "Read its standard error.")
        case .signal(let signal):
            VaultError(
                .unavailable, "The key program \(path) was ended by signal \(signal).",
                remedy: "Read its standard error.")
        case .answer(let error): error
        }
    }
}

extension KeyProgram {
    /// One JSON object, composed by hand because it may hold a key; the last member is in base64.
    private static func question(
        _ operation: String, _ vault: VaultID, _ slot: [UInt8], _ member: String,
        _ bytes: UnsafeBufferPointer<UInt8>
    ) -> [UInt8] {
        var text: [UInt8] = []
        // Room for all, so that no copy of a key is left behind when it grows.
        text.reserveCapacity(2 * Limits.keyProgramBlobBytes)
        text += Array(
            #"{"version":1,"op":"\#(operation)","vault":"\#(vault)","slot":"\#(Hex.encode(slot))","\#(member)":""#
                .utf8)
        let variant = sodium_base64_VARIANT_ORIGINAL
        let capacity = sodium_base64_encoded_len(bytes.count, variant)
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { base64 in
            guard let base = base64.baseAddress, let source = bytes.baseAddress else { return }
            unsafe sodium_bin2base64(base, capacity, source, bytes.count, variant)
            // The last one is the zero of C.
            for index in 0..<capacity - 1 { unsafe text.append(UInt8(bitPattern: base[index])) }
            unsafe sodium_memzero(base, capacity)
        }
        text += Array("\"}\n".utf8)
        return text
    }

    /// Decodes the value; nil for anything but `{"<member>":"<base64 of at most capacity bytes>"}` with white space
    /// where JSON has it.
    ///
    /// - Returns: how many bytes were written.
    private static func decode(
        _ text: UnsafeBufferPointer<UInt8>, member: String, into bytes: UnsafeMutablePointer<UInt8>,
        _ capacity: Int
    ) -> Int? {
        var rest = unsafe text[...]
        func skipSpace() {
            while let next = unsafe rest.first, [0x20, 0x09, 0x0A, 0x0D].contains(next) {
                unsafe rest = rest.dropFirst()
            }
        }
        func take(_ token: String) -> Bool {
            skipSpace()
            guard unsafe rest.starts(with: token.utf8) else { return false }
            unsafe rest = rest.dropFirst(token.utf8.count)
            return true
        }
        guard take("{"), take("\"\(member)\""), take(":"), take("\""),
            let end = unsafe rest.firstIndex(of: UInt8(ascii: "\""))
        else { return nil }
        let value = unsafe UnsafeBufferPointer(rebasing: rest[..<end])
        unsafe rest = rest[(end + 1)...]
        guard take("}") else { return nil }
        skipSpace()
        guard unsafe rest.isEmpty else { return nil }
        return unsafe decode(value, into: bytes, capacity)
    }

    private static func decode(
        _ value: UnsafeBufferPointer<UInt8>, into bytes: UnsafeMutablePointer<UInt8>, _ capacity: Int
    ) -> Int? {
        // libsodium 1.0.18 takes octets above 0x7F for characters of the alphabet.
        guard let base = value.baseAddress, unsafe value.allSatisfy({ $0 < 0x80 }) else { return nil }
        return unsafe base.withMemoryRebound(to: CChar.self, capacity: value.count) { text in
            var count = 0
            let result = unsafe sodium_base642bin(
                bytes, capacity, text, value.count, nil, &count, nil, sodium_base64_VARIANT_ORIGINAL)
            return result == 0 ? count : nil
        }
    }
}

/// A program of the operator's that is told something in text: it reads standard input to its end and ends
/// with status 0. No arguments, no environment but `PATH` and `LC_ALL`; its standard error is ours, what it
/// writes to standard output is thrown away, and more than 16 KiB of it counts as a failure.
package enum NoteProgram {
    /// How a run went wrong, as operators read it.
    package enum Failure: String, Error {
        /// It did not start.
        case unreachable
        /// It did not end in time, and was ended with what it started.
        case hung
        /// It ended with another status than 0, by a signal, or talked too much.
        case refused
    }

    /// Runs it once.
    ///
    /// - Parameters:
    ///   - text: at most what a pipe holds, 64 KiB.
    ///   - path: absolute.
    package static func tell(
        _ text: [UInt8], to path: String, within deadline: Duration
    ) throws(Failure) {
        do throws(ProgramRun.Failure) {
            try unsafe ProgramRun(path: path, environment: [], deadline: deadline)
                .exchange(text) { _ throws(VaultError) in }
        } catch {
            switch error {
            case .start, .pipe: throw .unreachable
            case .deadline: throw .hung
            case .flood, .status, .signal, .answer: throw .refused
            }
        }
    }

    /// Anyone who can write a program that we start can do what we can.
    ///
    /// - Throws: `invalidInput`, `permissionDenied`, `notFound`.
    package static func check(_ path: String) throws(VaultError) {
        try KeyProgram.checkFile(path, called: "program", remedy: "Name a program by its absolute path.")
    }
}

/// One run of a program: given its input at once, its output read to the end, bounded in length and time.
struct ProgramRun {
    let path: String
    /// `NAME=value`, beside `PATH` and `LC_ALL`.
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
    private static let environment = [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
    ]

    /// Lends what the program wrote, if it ended well.
    func exchange<Result>(
        _ input: [UInt8], _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(Failure) -> Result {
        let end = ContinuousClock.now + deadline
        return try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.outputLimit) {
            output throws(Failure) in
            defer { unsafe sodium_memzero(output.baseAddress, output.count) }
            var (process, answers): (pid_t, Int32) = (0, -1)
            let unfinished = try Unfinished { () throws(Failure) in
                (process, answers) = try start(input)
                return process
            } undo: {
                kill(-$0, SIGKILL)
            }
            defer { close(answers) }
            let count: Int
            let status: Int32
            do throws(Failure) {
                count = try unsafe read(answers, into: output, until: end)
                status = try wait(for: process, unfinished, until: end)
            } catch {
                unfinished.finish()
                stop(process)
                throw error
            }
            // It is gone: its number may be someone else's by now, and is not to be killed.
            guard status & 0x7F == 0 else { throw .signal(status & 0x7F) }
            let code = status >> 8 & 0xFF
            guard code == 0 else { throw .status(code) }
            let answer = unsafe UnsafeBufferPointer(rebasing: output[..<count])
            do throws(VaultError) { return try unsafe body(answer) } catch { throw .answer(error) }
        }
    }

    /// Starts it with `input` in a pipe already, so that nothing is ever written to an unread one.
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
        let all = Self.environment + environment
        var variables = unsafe all.map { unsafe strdup($0) } + [nil]
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
    private func wait(
        for process: pid_t, _ unfinished: Unfinished, until end: ContinuousClock.Instant
    ) throws(Failure) -> Int32 {
        var status: Int32 = 0
        while true {
            let ended = Unfinished.whole {
                let ended = unsafe waitpid(process, &status, WNOHANG)
                if ended == process { unfinished.finish() }
                return ended
            }
            if ended == process { return status }
            // Someone else's wait took it: how it ended cannot be known.
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
