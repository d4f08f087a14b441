import CVaultShims
import Foundation
import GuardedFetch
import Logging
import TestSupport
import TokenIssuer
import VaultCore

/// A program with a fetcher, for tests to put into networks of their own.
///
///     fetch-worker fetch WHAT…      one line for each: `WHAT ok BYTES`, `WHAT FAILURE` or `WHAT refused`
///     fetch-worker forbidden FOLDER confines itself as the fetcher does, and tries what it should not: `ACT ERRNO`
///     fetch-worker open             lists what the fetcher has open, and its environment
///     fetch-worker full             fills the places of strangers, and asks as a stranger and for a known client
///     fetch-worker killed           kills the fetcher, and asks again until there is another
///
/// WHAT is a URL; `keys:` before it asks for a key set, `in:` lets its host be inside, `many:` asks forty times at once.
@main
struct FetchWorker {
    static func main() async throws {
        FetcherProcess.runIfStarted()
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "forbidden", arguments.count == 2 { return try forbidden(arguments[1]) }
        let fetcher = FetcherProcess(logger: Logger(label: "fetch-worker"))
        defer { fetcher.close() }
        switch arguments.first {
        case "fetch": for what in arguments.dropFirst() { await fetch(what, fetcher) }
        case "open": try await open(fetcher)
        case "full": await full(fetcher)
        case "killed": try await killed(fetcher)
        default: exit(2)
        }
    }

    private static func request(_ what: String) -> DocumentRequest? {
        let words = what.split(separator: ":", maxSplits: 1).map(String.init)
        guard words.count == 2, words[0] != "https" else {
            return DocumentURL(what).map { DocumentRequest($0, .client) }
        }
        return DocumentURL(words[1]).map {
            DocumentRequest($0, words[0] == "keys" ? .keys : .client, mayBeInside: words[0] == "in")
        }
    }

    private static func fetch(_ what: String, _ fetcher: FetcherProcess) async {
        guard let request = request(what) else { return print(what, "refused") }
        guard what.hasPrefix("many:") else { return print(what, await outcome(request, fetcher)) }
        let outcomes = await withTaskGroup(of: String.self) { group in
            for _ in 0..<40 { group.addTask { await outcome(request, fetcher) } }
            return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        print(
            what, outcomes.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
    }

    private static func outcome(_ request: DocumentRequest, _ fetcher: FetcherProcess) async -> String {
        do throws(DocumentFailure) { return "ok \(try await fetcher.fetch(request).count)" } catch {
            return "\(error)"
        }
    }

    /// A name that has no address: the answer says that the fetcher is there.
    private static func isThere(_ fetcher: FetcherProcess) async -> Bool {
        guard let request = request("https://nothing.invalid/") else { return false }
        return await outcome(request, fetcher) == "nameLookup"
    }

    private static func full(_ fetcher: FetcherProcess) async {
        await withTaskGroup(of: Void.self) { group in
            // Two at each of four addresses.
            for number in 0..<8 {
                guard let slow = request("https://slow\(number / 2).example/silent") else { return }
                group.addTask { while await outcome(slow, fetcher) == "busy" {} }
            }
            guard var good = request("https://good.example/doc") else { return }
            // The places are taken one after the other.
            while await outcome(good, fetcher) != "busy" {}
            print("stranger busy")
            good.isKnown = true
            print("known", await outcome(good, fetcher))
        }
    }

    private static func open(_ fetcher: FetcherProcess) async throws {
        guard await isThere(fetcher), let process = fetcher.process else { exit(1) }
        let folder = "/proc/\(process)"
        for name in try FileManager.default.contentsOfDirectory(atPath: folder + "/fd").sorted() {
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/fd/" + name)
            print("open", name, target.prefix { $0 != "[" })
        }
        let environment = try Data(contentsOf: URL(fileURLWithPath: folder + "/environ"))
        print("environment", environment.count)
        let status = try String(contentsOfFile: folder + "/status", encoding: .utf8)
        for line in status.split(separator: "\n")
        where line.hasPrefix("NoNewPrivs") || line.hasPrefix("Seccomp:") {
            print(line.filter { !$0.isWhitespace })
        }
    }

    private static func killed(_ fetcher: FetcherProcess) async throws {
        guard await isThere(fetcher), let first = fetcher.process else { exit(1) }
        kill(first, SIGKILL)
        var refusals = 0
        while await !isThere(fetcher) {
            refusals += 1
            try await Waiting.pass(.milliseconds(20))
        }
        print("another", fetcher.process != first, "after", refusals > 0 ? "a pause" : "nothing")
    }
}

extension FetchWorker {
    /// Each act says 0 where it succeeded.
    private static func forbidden(_ folder: String) throws {
        let parent = getppid()
        print("confined", tv_confine_fetcher())
        let names = [
            EACCES: "EACCES", EPERM: "EPERM", ENOSYS: "ENOSYS", EAFNOSUPPORT: "EAFNOSUPPORT",
            ECONNREFUSED: "ECONNREFUSED",
        ]
        func act(_ name: String, _ result: Int) {
            let code = errno
            print(name, result >= 0 ? "0" : names[code] ?? "\(code)")
        }
        func connect(_ port: UInt16) -> Int {
            let end = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Int(Glibc.connect(end, $0, socklen_t(MemoryLayout<sockaddr_in>.size)))
                }
            }
        }
        func run() -> Int {
            var process: pid_t = 0
            let path = strdup("/bin/true")
            var words = [path, nil]
            errno = posix_spawn(&process, "/bin/true", nil, nil, &words, nil)
            return errno == 0 ? 0 : -1
        }
        func replace() -> Int {
            var words = [strdup("/bin/true"), nil]
            return Int(execv("/bin/true", &words))
        }
        func map() -> Int {
            let place = mmap(nil, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            return place == MAP_FAILED ? -1 : 0
        }
        func connectBySending() -> Int {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(22).bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let end = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    // MSG_FASTOPEN
                    sendto(end, "x", 1, 0x2000_0000, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        let stream = Int32(SOCK_STREAM.rawValue)
        act("resolver", Int(Glibc.open("/etc/hosts", O_RDONLY)))
        act("read-file", Int(Glibc.open("/etc/passwd", O_RDONLY)))
        act("read-secret", Int(Glibc.open(folder + "/secret", O_RDONLY)))
        act("read-parent", Int(Glibc.open("/proc/\(parent)/environ", O_RDONLY)))
        act("list", opendir(folder) == nil ? -1 : 0)
        act("write-file", Int(Glibc.open(folder + "/secret", O_WRONLY)))
        act("make-file", Int(Glibc.open(folder + "/new", O_WRONLY | O_CREAT, 0o600)))
        act("remove-file", Int(unlink(folder + "/secret")))
        act("run", run())
        act("become", replace())
        act("signal-parent", Int(kill(parent, 0)))
        act("unix-socket", Int(socket(AF_UNIX, stream, 0)))
        act("raw-socket", Int(socket(AF_INET, Int32(SOCK_RAW.rawValue), 1)))
        act("netlink", Int(socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 0)))
        act("sctp", Int(socket(AF_INET, stream, 132)))
        act("mptcp", Int(socket(AF_INET, stream, 262)))
        act("listen", Int(listen(socket(AF_INET, stream, 0), 1)))
        act("port-22", connect(22))
        act("port-443", connect(443))
        act("send-to-connect", connectBySending())
        act("own-signals", Int(fcntl(0, F_SETOWN, parent)))
        act("copy-descriptor", Int(fcntl(0, F_DUPFD, 5)))
        act("executable-memory", map())
        var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
        act("raise-limit", Int(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)))
    }
}
