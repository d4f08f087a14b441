import Foundation
import Testing

/// Runs a script of `Tests/Interop` with `request` on its standard input, and reads the answer.
///
/// A library that is missing fails the test: `make test-deps` installs it.
func python(_ script: String, _ request: Any) throws -> Data {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Interop/" + script).path()
    let process = Process()
    let (input, output, errors) = (Pipe(), Pipe(), Pipe())
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", "-B", "-W", "ignore", path]
    process.standardInput = input
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: JSONSerialization.data(withJSONObject: request))
    try input.fileHandleForWriting.close()
    let answer = try output.fileHandleForReading.readToEnd() ?? Data()
    let trouble = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(String(decoding: trouble, as: UTF8.self))")
    return answer
}
