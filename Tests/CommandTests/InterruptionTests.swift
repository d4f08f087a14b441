import Foundation
import TestSupport
import Testing

/// Ctrl-C, a job's time limit, `docker stop`.
@Suite("A signal ends every command, and nothing half made stays", .bounded)
struct InterruptionTests {
    /// Runs a command twenty times, each until a file that matches `pattern` is there, and sends the signal then.
    ///
    /// - Returns: how often the signal was what ended it, and which files it left.
    private func interrupt(
        _ command: String, by signal: Int32, onceThereIs pattern: String, in place: Workplace
    ) async throws -> (count: Int, left: [String]) {
        try place.write(
            """
            import glob, os, subprocess, sys
            pattern, number, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
            caught, left = 0, []
            for _ in range(20):
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while process.poll() is None and not glob.glob(pattern): pass
                process.send_signal(number)
                caught += process.wait() == -number
                left += glob.glob(pattern)
            print(caught, *left)
            """, to: "interrupt.py")
        let ending = try await place.shell(
            "python3 interrupt.py '\(pattern)' \(signal) tokenvault \(command)")
        let words = ending.output.split(whereSeparator: \.isWhitespace).map(String.init)
        return (words.first.flatMap { Int($0) } ?? 0, Array(words.dropFirst()))
    }

    private func backedUp() async throws -> Workplace {
        let place = try await Workplace.withVault()
        let made = try await place.shell("mkdir scratch && tokenvault backup create --out b --keys-out k")
        #expect(made.status == 0, "\(made.complaints)")
        return place
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func `the vault that a verification opens goes`(_ signal: Int32) async throws {
        let place = try await backedUp()
        let found = try await interrupt(
            "backup verify b --keys k --scratch scratch", by: signal, onceThereIs: "scratch/*", in: place)
        #expect(found.count > 0 && found.left.isEmpty, "\(found)")
    }

    @Test(arguments: [
        ("backup create --out c --keys-out l --force", "c.partial"),
        ("restore --plan --from b --keys k --vault W", "W.restoring"),
    ])
    func `drafts go`(_ command: String, _ draft: String) async throws {
        let place = try await backedUp()
        let found = try await interrupt(command, by: SIGTERM, onceThereIs: draft, in: place)
        #expect(found.count > 0 && found.left.isEmpty, "\(found)")
        #expect(try await place.run(["audit", "verify"]).status == 0)
    }

    @Test func `a vault that was not finished goes, and the next try finds the place free`() async throws {
        let place = try Workplace()
        try place.write("correct horse battery\n", to: "passphrase")
        let options = ["init", "--vault", "N", "--passphrase-file", "passphrase"]
        let found = try await interrupt(
            options.joined(separator: " "), by: SIGINT, onceThereIs: "N.creating*", in: place)
        #expect(found.count > 0 && found.left.isEmpty, "\(found)")
        if !place.exists("N") {
            let made = try await place.run(options)
            #expect(made.status == 0, "\(made.complaints)")
        }
    }

    /// Runs a command as process 1 of a namespace of its own, until `condition` holds of the file `F`, and ends it by the
    /// signal.
    private func asFirstProcess(
        _ command: [String], until condition: String, _ signal: Int32, before: String = "",
        in place: Workplace
    ) async throws -> Ending {
        try place.write(
            """
            import fcntl, os, select, struct, subprocess, sys
            space = ["unshare"] + (["--map-root-user"] if os.geteuid() else [])
            space += ["--pid", "--fork", "--mount-proc", "--kill-child", "--", "tokenvault"]
            def holds(): return \(condition)
            \(before)
            process = subprocess.Popen(space + sys.argv[1:], stdout=open("out", "w"))
            while process.poll() is None and not holds(): select.select([], [], [], 0.01)
            children = f"/proc/{process.pid}/task/{process.pid}/children"
            for child in open(children).read().split(): os.kill(int(child), \(signal))
            print(process.wait(30))
            """, to: "first.py")
        return try await place.shell("python3 first.py \(command.joined(separator: " "))")
    }

    @Test(arguments: [
        (["audit", "follow"], SIGTERM), (["audit", "follow"], SIGINT),
        (["audit", "tail", "--follow"], SIGTERM),
        (["audit", "tail", "--follow"], SIGINT),
    ])
    func `process 1 of a container ends as well`(_ command: [String], _ signal: Int32) async throws {
        let place = try await Workplace.withVault()
        let ending = try await asFirstProcess(
            command, until: #"os.path.getsize("out") > 0"#, signal, in: place)
        #expect(ending.output == "\(128 + signal)\n", "\(ending)")
    }

    @Test func `a service that was killed as process 1 while it started, starts again as process 1`()
        async throws
    {
        let place = try await Workplace.withVault()
        let command = ["serve", "--listen", "127.0.0.1:0", "--ready-file", "ready"]
        // Another process writes: the service waits while it opens the vault, its ready file begun.
        let killed = try await asFirstProcess(
            command, until: #"os.path.exists("ready.partial")"#, SIGKILL,
            before: """
                lock = os.open("V.lock", os.O_RDWR)
                fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))
                """, in: place)
        #expect(place.exists("ready.partial") && !place.exists("ready"), "\(killed)")
        let ended = try await asFirstProcess(command, until: #"os.path.exists("ready")"#, SIGTERM, in: place)
        #expect(ended.output == "0\n", "\(ended)")
        #expect(!place.exists("ready") && !place.exists("ready.partial"))
    }
}
