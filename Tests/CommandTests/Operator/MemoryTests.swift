import Foundation
import TestSupport
import Testing

/// Containers allow a process to lock little memory, or none.
@Suite("Keys that cannot be locked into memory are told of", .bounded)
struct MemoryTests {
    /// Runs lines of shell in which `limited` is the command as a user who may lock no memory, with a vault `home/V`.
    private func limited(_ lines: String) async throws -> Ending {
        let place = try await Workplace.withVault()
        let isRoot = geteuid() == 0
        let user = isRoot ? "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all" : ""
        return try await place.shell(
            """
            set -eu
            chmod 755 . && mkdir -m 700 home && mv V K home/
            \(isRoot ? "chown -R 65534:65534 home" : "")
            export TOKENVAULT_PATH=home/V TOKENVAULT_KEY_FILE=home/K
            limited="\(user) prlimit --memlock=0:0 -- tokenvault"
            \(lines)
            """)
    }

    @Test func `by doctor, as advice`() async throws {
        let ending = try await limited("$limited doctor --json | grep memory.locked")
        let check = try ending.object()
        #expect(check["severity"] as? String == "advice", "\(ending)")
        #expect((check["what"] as? String)?.contains("written to swap") == true)
        #expect((check["remedy"] as? String)?.contains("LimitMEMLOCK") == true)
    }

    @Test func `by status`() async throws {
        let ending = try await limited("$limited status --json")
        #expect(try ending.object()["memory_locked"] as? Bool == false, "\(ending)")
        let shown = try await limited("$limited status | grep ^memory:")
        #expect(shown.output.contains("written to swap") && shown.output.contains("LimitMEMLOCK"))
    }

    @Test(arguments: ["serve --listen 127.0.0.1:0", "refresh run"])
    func `by the log of a service, once`(_ command: String) async throws {
        let ending = try await limited(
            """
            $limited \(command) --ready-file home/ready 2> log & service=$!
            until [ -s home/ready ]; do kill -0 $service; sleep 0.1; done
            kill $service; wait $service
            grep -c 'written to swap' log
            """)
        #expect(ending.status == 0 && ending.output == "1\n", "\(ending)")
    }
}
