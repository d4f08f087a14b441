import CVaultShims
import Foundation
import TestSupport
import Testing

@Suite(.bounded) struct `What breaks into the fetcher finds nothing there` {
    @Test(.enabled(if: geteuid() == 0, "only root looks at a process that cannot be dumped"))
    func `no environment, and one socket`() throws {
        let said = try Worker.run(["open"])
        #expect(said["environment"] == "0")
        let open = try #require(said["open"]).split(separator: "; ")
        // The socket is its three standard descriptors; the others are the event loop's.
        #expect(open.count { $0.hasSuffix(" socket:") } == 3)
        #expect(open.allSatisfy { $0.hasSuffix(" socket:") || $0.hasSuffix(" anon_inode:") }, "\(open)")
        #expect(said["NoNewPrivs:1"] != nil)
        #expect(said["Seccomp:2"] != nil || tv_filters_calls() == 0)
    }

    @Test func `what it tries is refused by the kernel`() throws {
        let said = try Worker.run(["forbidden", "FOLDER"])
        let version = tv_landlock_version()
        var expected = ["resolver": "0", "port-443": "ECONNREFUSED"]
        if version >= 1 {
            for act in ["read-file", "read-secret", "read-parent", "list", "write-file", "make-file"] {
                expected[act] = "EACCES"
            }
        }
        if version >= 4 { expected["port-22"] = "EACCES" }
        if tv_filters_calls() == 1 {
            for act in [
                "run", "executable-memory", "raise-limit", "send-to-connect", "own-signals",
                "copy-descriptor",
            ] { expected[act] = "EPERM" }
            for act in ["remove-file", "become", "signal-parent", "listen"] { expected[act] = "ENOSYS" }
            for act in ["unix-socket", "raw-socket", "netlink", "sctp", "mptcp"] {
                expected[act] = "EAFNOSUPPORT"
            }
        }
        for (act, code) in expected { #expect(said[act] == code, "\(act)") }
        print("Landlock \(version), seccomp \(tv_filters_calls())")
    }

    @Test func `a fetcher that dies is an unavailable document, and there is another after a pause`() throws {
        #expect(try Worker.run(["killed"])["another"] == "true after a pause")
    }
}
