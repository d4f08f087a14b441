import Foundation
import Testing

/// The format is what `docs/sealed-format.md` says: a reader that shares no code with this one agrees on
/// every vector.
@Suite(.serialized) struct `Independent reader` {
    @Test(.readsVectors) func `opens every good vector and refuses every bad one`() throws {
        let run = try python("open_vectors.py", VectorFile.directory.path())
        #expect(run.status == 0, "\(run.output)")
        for name in Self.names { #expect(run.output.contains("\(name): "), "\(name) was not read") }
    }

    @Test(.readsVectors) func `notices a vector that says something else`() throws {
        let copy = FileManager.default.temporaryDirectory.appending(path: "vectors-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: copy) }
        for name in Self.names {
            try FileManager.default.copyItem(
                at: VectorFile.directory.appending(path: name), to: copy.appending(path: name))
        }
        let file = copy.appending(path: "token-handle.json")
        let content = try String(contentsOf: file, encoding: .utf8)
        let edited = content.replacing("\"grant\" : \"77\"", with: "\"grant\" : \"78\"")
        #expect(edited != content)
        try edited.write(to: file, atomically: true, encoding: .utf8)
        let run = try python("open_vectors.py", copy.path())
        #expect(run.status == 1)
        #expect(run.output.contains("opened to another grant"))
    }

    @Test func `the two-key records are the ones that the forger makes`() throws {
        let arguments = VectorFile.regenerates ? [] : ["--check"]
        let run = try python("forge_records.py", arguments: arguments)
        #expect(run.status == 0, "\(run.output)")
    }

    @Test(.readsVectors) func `the bare cipher opens a two-key record under both keys, and we under one`()
        throws
    {
        let vectors = try VectorFile.load("forged.json").filter { $0["raw_cipher"] == "opens" }
        // That the cipher does is checked by the reader, which fails on a vector that says so wrongly.
        #expect(vectors.filter { $0["expect"] == "opens" }.count == 4)
        #expect(vectors.filter { ["integrity", "locked"].contains($0["expect"]) }.count == 4)
    }

    private static let names = [
        "sealed-field.json", "key-wrap.json", "keyslot.json", "recovery.json", "token-handle.json",
        "tags.json", "row.json", "leaf.json", "forged.json",
    ]

    private func python(_ script: String, _ argument: String) throws -> (status: Int32, output: String) {
        try python(script, arguments: [argument])
    }

    private func python(_ script: String, arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            ["python3", "-B", VectorFile.directory.appending(path: script).path()] + arguments
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
