import Foundation
import Testing

/// The `sqlite3` shell: what somebody with the file and no key can do to it.
///
/// By `popen`: Foundation's `Process` crashes now and then when many tests start one at the same moment.
func sqlite(_ path: String, _ sql: String) throws -> String {
    let script = path + ".sql-" + UUID().uuidString
    try Data(sql.utf8).write(to: URL(fileURLWithPath: script))
    defer { unlink(script) }
    let stream = try #require(popen("sqlite3 '\(path)' < '\(script)' 2>&1", "r"))
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 {
        bytes += buffer.prefix(count)
    }
    let status = pclose(stream)
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(status == 0, "sqlite3 is needed (apt-get install sqlite3): \(text)")
    return text
}

/// Every octet of the vault's files.
func rawBytes(_ test: TestVault) throws -> Data {
    var bytes = Data()
    for name in try FileManager.default.contentsOfDirectory(atPath: test.directory) where name != "key" {
        bytes += try Data(contentsOf: URL(fileURLWithPath: test.directory + "/" + name))
    }
    return bytes
}
