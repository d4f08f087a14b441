import ArgumentParser
import Foundation
import TokenKeeper
import VaultCore

/// Runs a command that finds a token in a file descriptor.
struct ConnectionExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command that reads a connection's token from a file descriptor.",
        discussion: """
            The token, valid for at least a minute, is in a pipe that is descriptor 3 of the command; the \
            variable TOKENVAULT_TOKEN_FD holds that number. It can be read once, and is in no argument, variable \
            or file. The command replaces this process, so its exit status is the status. Without a token it is \
            not run: exit code 4 if the user must consent again, 9 if the provider gives no token now.

            Examples:
              tokenvault connection exec quantimodo/alice -- sh -c \\
                'echo "header = \\"Authorization: Bearer $(cat <&3)\\"" |
                 curl --config - https://app.quantimo.do/api/v3/user'
              tokenvault connection exec 17 -- ./backup --token-fd 3
            """)

    @OptionGroup var connection: ConnectionArgument
    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The command and its arguments, after --.", valueName: "command"))
    var command: [String]
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard !command.isEmpty else { throw ValidationError("Give a command after --.") }
    }

    func run() async throws {
        let handOver = TokenHandOver()
        let token = try await network.withKeeper(location) { keeper in
            try await keeper.token(for: connection.find(keeper)).token
        }
        // The vault is closed by now: nothing of it is open in the command.
        try handOver.run(command, token)
    }
}

/// Puts a command in the place of this process, with a token to read.
struct TokenHandOver {
    private static let descriptor: Int32 = 3

    /// What the caller left open for the command.
    private let inherited: Set<Int32>

    /// To be made before anything is opened.
    init() { inherited = Set(Self.openDescriptors) }

    func run(_ command: [String], _ token: SecretBytes) throws -> Never {
        // Not every library closes what it opened when another program takes over.
        for open in Self.openDescriptors where !inherited.contains(open) || Self.isOwn(open) {
            _ = fcntl(open, F_SETFD, FD_CLOEXEC)
        }
        try Self.offer(token)
        setenv("TOKENVAULT_TOKEN_FD", "\(Self.descriptor)", 1)
        // The HTTP library ignores it; a command expects to end when nobody reads what it writes.
        signal(SIGPIPE, SIG_DFL)
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        execvp(command[0], &arguments)
        let code = errno
        for argument in arguments { free(argument) }
        throw VaultError(
            code == ENOENT ? .notFound : code == EACCES ? .permissionDenied : .ioFailure,
            "\(command[0]) cannot be run: \(String(cString: strerror(code))).",
            remedy: "Name a program on the path, as in: tokenvault connection exec 17 -- env")
    }

    private static var openDescriptors: [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/dev/fd")) ?? []).compactMap { Int32($0) }
    }

    /// Descriptors that a run-time library opens before our first line runs; the command must not inherit them.
    private static func isOwn(_ open: Int32) -> Bool {
        let kind = try? FileManager.default.destinationOfSymbolicLink(atPath: "/dev/fd/\(open)")
        return ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]"].contains(kind)
    }

    /// Fills a pipe with the token: a reader reaches its end, and cannot read it twice.
    private static func offer(_ token: SecretBytes) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // A pipe holds 64 KiB, a token 32 at most; where an administrator made pipes smaller, this must not wait for ever.
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let isWhole = token.withExposed { write(ends[1], $0, $0.count) == $0.count }
        close(ends[1])
        guard isWhole else { throw failure }
        if ends[0] == descriptor {
            _ = fcntl(descriptor, F_SETFD, 0)
        } else {
            // The new one stays open in the command.
            guard dup2(ends[0], descriptor) == descriptor else { throw failure }
            close(ends[0])
        }
    }

    private static var failure: VaultError {
        VaultError(
            .ioFailure, "The token could not be put into a pipe.",
            remedy: "See the limits on pipes (/proc/sys/fs/pipe-user-pages-soft) and open files.")
    }
}
