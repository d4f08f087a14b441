import Foundation
import Testing

/// The `sqlite3` shell: what somebody with the file and no key can do to it.
func sqlite(_ path: String, _ sql: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", path, sql]
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(
        process.terminationStatus == 0,
        "sqlite3 is needed (apt-get install sqlite3): \(String(decoding: complaint, as: UTF8.self))")
    return String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
}

/// Every octet of the vault's files.
func rawBytes(_ test: TestVault) throws -> Data {
    var bytes = Data()
    for name in try FileManager.default.contentsOfDirectory(atPath: test.directory) where name != "key" {
        bytes += try Data(contentsOf: URL(fileURLWithPath: test.directory + "/" + name))
    }
    return bytes
}
