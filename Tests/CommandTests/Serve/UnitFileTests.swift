import Foundation
import TestSupport
import Testing

/// The systemd unit under docs/: valid, tight, and not tighter than the service can bear.
@Suite("The systemd unit", .bounded)
struct UnitFileTests {
    private static let unit = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "docs/tokenvault.service")

    /// The unit with the binary that was built.
    private func unit(in place: Workplace) throws {
        let text = try String(contentsOf: Self.unit, encoding: .utf8)
        #expect(text.contains("ExecStart=/usr/local/bin/tokenvault serve "))
        try place.write(
            text.replacing("/usr/local/bin/tokenvault", with: Tool.path), to: "tokenvault.service")
    }

    @Test func `systemd finds nothing wrong with it`() async throws {
        let place = try Workplace()
        try unit(in: place)
        let verdict = try await place.shell("systemd-analyze verify --man=no ./tokenvault.service")
        #expect(verdict.status == 0 && verdict.complaints.isEmpty, "\(verdict.complaints)")
        // What it says of an unknown line, so that silence means something.
        try place.write(
            try place.text("tokenvault.service") + "[Service]\nNonsense=yes\n", to: "tokenvault.service")
        let complaint = try await place.shell("systemd-analyze verify --man=no ./tokenvault.service")
        #expect(complaint.complaints.contains("Nonsense"))
    }

    @Test func `its exposure is that of a service in a sandbox`() async throws {
        let place = try Workplace()
        try unit(in: place)
        let verdict = try await place.shell(
            "systemd-analyze security --offline=true --no-pager --threshold=15 ./tokenvault.service")
        #expect(verdict.status == 0, "\(verdict.output.suffix(200))")
        #expect(verdict.output.contains("Overall exposure level"))
    }

    @Test func `the service makes no call, and maps no page, that it forbids`() async throws {
        let place = try await Workplace.withVault()
        let certificates = try await Certificates.made(in: place)
        try await certificates.install("first")
        let secret = try await Session.register(in: place)
        let service = try await RunningService(
            in: place, Certificates.options + ["--admin-listen", "127.0.0.1:0"],
            under: ["/usr/bin/strace", "-D", "-f", "-e", "inject=fchown:error=EPERM", "-o", "trace"])
        let session = Session(place: place, url: service.url, secret: secret, authority: "ca.pem")
        _ = try await session.refresh(try await session.exchange())
        let admin = try #require(service.admin)
        _ = try await place.shell("curl --silent --fail \(admin)/metrics")
        service.signal(SIGHUP)
        _ = try await place.shell(
            "until grep -q 'certificate was' serve.log; do kill -0 \(service.processID) || exit 99; done")
        #expect(await service.end(by: SIGTERM) == 0)
        let lines = try place.text("trace").split(separator: "\n")
        #expect(lines.count > 1000)

        let allowed = try await expanded(["@system-service"], in: place)
        let denied = try await expanded(["@privileged"], in: place)
        #expect(allowed.count > 200 && denied.count > 20)
        let called = Set(
            lines.compactMap { line in
                line.firstMatch(of: /^\d+ +(?:<\.\.\. )?([a-z0-9_]+)(?:\(| resumed)/).map { String($0.1) }
            })
        #expect(called.contains("fdatasync") || called.contains("fsync"))
        // SQLite gives files back to their owner when root runs it, and does without when that fails, as it did above.
        let beyond = called.subtracting(allowed).union(called.intersection(denied)).subtracting(["fchown"])
        #expect(beyond.isEmpty, "\(beyond.sorted())")
        for line in lines {
            let gains =
                line.contains("PROT_WRITE|PROT_EXEC")
                || (line.contains(" mprotect(") && line.contains("PROT_EXEC"))
            #expect(!gains, "MemoryDenyWriteExecute: \(line)")
            if let family = line.firstMatch(of: /\ssocket\((AF_[A-Z0-9]+)/) {
                #expect(
                    ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"].contains(String(family.1)), "\(line)")
            }
        }
    }

    /// The calls in a group, with those of the groups in it.
    private func expanded(_ groups: [String], in place: Workplace) async throws -> Set<String> {
        var calls: Set<String> = []
        var open = groups
        while let group = open.popLast() {
            let listed = try await place.shell("systemd-analyze syscall-filter --no-pager \(group)")
            for line in listed.outputLines.dropFirst() {
                let word = line.trimmingCharacters(in: .whitespaces)
                if word.hasPrefix("@") {
                    open.append(word)
                } else if !word.hasPrefix("#") {
                    calls.insert(word)
                }
            }
        }
        return calls
    }

    @Test func `systemd is told when it serves, and when it stops`() async throws {
        let place = try await Workplace.withVault()
        try place.write(
            """
            import os, signal, socket, subprocess, sys
            wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            wire.settimeout(60)
            name = sys.argv[1]
            wire.bind(name.replace("@", "\\0") if name[0] == "@" else name)
            service = subprocess.Popen(
                ["tokenvault", "serve", "--listen", "127.0.0.1:0", "--ready-file", "ready"],
                env=dict(os.environ, NOTIFY_SOCKET=name))
            print(wire.recv(100).decode(), os.path.exists("ready"))
            service.send_signal(signal.SIGTERM)
            print(wire.recv(100).decode(), service.wait())
            """, to: "supervisor.py")
        for name in [place.path + "/notify", "@tokenvault-test-\(getpid())"] {
            let said = try await place.shell("python3 supervisor.py \(name)")
            #expect(said.outputLines == ["READY=1 True", "STOPPING=1 0"], "\(said.complaints)")
        }
    }
}
