import Foundation
import TestSupport
import Testing

/// The demonstration keeps its promises, leaves nothing behind, and what it ends with can be typed.
@Suite("The demonstration", .bounded)
struct DemoTests {
    @Test func `it runs to its end and cleans up`() async throws {
        let place = try Workplace()
        let ending = try await place.demo("--refreshes", "20")
        #expect(ending.status == 0, "\(ending.complaints)")
        #expect(ending.complaints.isEmpty)
        #expect(ending.output.contains("generation 21."))
        #expect(ending.outputLines.filter { $0.contains("… refresh ") }.count == 4)
        // 64 clients share each pair: a rate of pairs would sound as if little were done.
        #expect(!ending.output.contains("pairs per second"))
        #expect(ending.outputLines.filter { $0.hasPrefix("  ✓ ") }.count == 12)
        let left = try FileManager.default.contentsOfDirectory(atPath: place.path)
        #expect(left.filter { $0.hasPrefix("tokenvault-demo") }.isEmpty)
    }

    @Test func `its figures come as an object`() async throws {
        let ending = try await Workplace().demo("--refreshes", "5", "--clients", "64", "--json")
        let figures = try ending.object()
        #expect(ending.status == 0)
        #expect(figures["ok"] as? Bool == true)
        #expect(figures["requests"] as? Int == 5 * 64 + 5 * 4)
        #expect(figures["lost_responses"] as? Int == 5 * 4)
        #expect(figures["directory"] == nil)
    }

    @Test(arguments: [true, false])
    func `the lines to try by hand work`(isKept: Bool) async throws {
        let place = try Workplace()
        let ending =
            try await isKept ? place.demo("--refreshes", "2", "--keep") : place.demo("--refreshes", "2")
        let start = try #require(ending.outputLines.firstIndex { $0.hasSuffix("Try it by hand:") })
        let lines = ending.outputLines[(start + 1)...].map { $0.trimmingCharacters(in: .whitespaces) }
        #expect(lines.count >= 9)
        let script = (["set -eu"] + lines + ["wait $SERVER"]).joined(separator: "\n")
        let played = try await place.shell(
            script, environment: ["TOKENVAULT_PATH": "", "TOKENVAULT_KEY_FILE": ""])
        #expect(played.status == 0, "\(played.complaints)")
        let answers = try played.outputLines.filter { $0.hasPrefix("{") }.map(Ending.object)
        #expect(answers.count == 2)
        #expect(answers.allSatisfy { $0["refresh_token"] as? String != nil })
        #expect(played.output.contains("log:      intact"))
    }

    @Test func `an interrupt ends it with 130 and cleans up`() async throws {
        let place = try Workplace()
        // The figures of a million refreshes never come; the first chapter does, and then the interrupt.
        let ending = try await place.shell(
            "Demo --refreshes 1000000 > story & P=$!; until grep -q '^5' story; do :; done; "
                + "kill -INT $P; status=0; wait $P || status=$?; exit $status")
        #expect(ending.status == 130, "\(ending.complaints)")
        let left = try FileManager.default.contentsOfDirectory(atPath: place.path)
        #expect(left.filter { $0.hasPrefix("tokenvault-demo") }.isEmpty)
    }
}

extension Workplace {
    /// Runs the binary `Demo`, which was built beside `tokenvault`.
    fileprivate func demo(_ arguments: String...) async throws -> Ending {
        try await run(program: Tool.directory + "/Demo", arguments)
    }
}
