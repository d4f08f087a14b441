import Foundation
import TestSupport
import Testing

/// Whole sessions, as a person types them: commands, what they print, how they end.
@Suite("Transcripts", .bounded)
struct TranscriptTests {
    static let files: [String] = {
        let directory = Bundle.module.resourceURL?.appending(path: "Transcripts").path ?? ""
        return (try? FileManager.default.contentsOfDirectory(atPath: directory))?.sorted().map {
            "\(directory)/\($0)"
        } ?? []
    }()

    @Test func `there are transcripts`() {
        #expect(Self.files.count >= 8)
    }

    @Test(arguments: files.map { ($0 as NSString).lastPathComponent })
    func `a session goes as written`(_ name: String) async throws {
        let file = try #require(Self.files.first { $0.hasSuffix("/" + name) })
        let transcript = try Transcript(parsing: String(contentsOfFile: file, encoding: .utf8))
        #expect(!transcript.steps.isEmpty)
        let differences = try await transcript.play(in: Workplace())
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n\n"))")
    }

    @Test func `a session that goes otherwise is noticed`() async throws {
        let transcript = try Transcript(parsing: "$ echo one; echo two >&2; exit 3\none\n! three\n? 2\n")
        let differences = try await transcript.play(in: Workplace())
        #expect(differences.count == 2)
    }
}
