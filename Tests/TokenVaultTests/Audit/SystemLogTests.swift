import Foundation
import MerkleLog
import TestSupport
import Testing
import TokenVault
import VaultCore

/// A datagram socket as syslogd and journald have one.
private final class LogSocket {
    let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(status == 0, "a socket at \(path)")
    }

    deinit { close(descriptor) }

    /// What was sent; nil: nothing.
    func next() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 100_000)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : Array(bytes.prefix(count))
    }
}

@Suite(.bounded) struct `P6: the system's log gets a checkpoint that can be put together again` {
    @Test func `syslog: one line, and the signed note from its parts`() async throws {
        let log = try await Log(entries: 3)
        let socket = try LogSocket(log.test.directory + "/log")
        let anchor = try await log.vault.addAnchor(.syslog, target: socket.path)
        #expect(try anchor.trouble == nil && anchor.size == log.vault.auditSize())
        let line = String(decoding: try #require(socket.next()), as: UTF8.self)
        #expect(socket.next() == nil)
        #expect(line.hasPrefix("<85>tokenvault[\(getpid())]: checkpoint ") && !line.contains("\n"))
        let parts = line.split(separator: " ").dropFirst(2).map(String.init)
        let key = try #require(NoteKey(vkey: log.vkey))
        let note =
            "\(parts[0])\n\(parts[1])\n\(parts[2])\n\n"
            + parts.dropFirst(3).map { "— \(key.name) \($0)\n" }.joined()
        #expect(try note == log.vault.auditCheckpoint())
        await log.vault.close()
    }

    @Test func `journald: fields of the native protocol, and the signed note whole`() async throws {
        let log = try await Log(entries: 3)
        let socket = try LogSocket(log.test.directory + "/journal")
        let anchor = try await log.vault.addAnchor(.journald, target: socket.path)
        #expect(anchor.trouble == nil && anchor.kind == .journald)
        let fields = try Self.fields(try #require(socket.next()))
        let note = try log.vault.auditCheckpoint()
        let lines = note.split(separator: "\n").map(String.init)
        #expect(fields["TOKENVAULT_CHECKPOINT"] == note)
        #expect(fields["TOKENVAULT_ORIGIN"] == lines[0] && fields["TOKENVAULT_SIZE"] == lines[1])
        #expect(fields["TOKENVAULT_ROOT"] == lines[2])
        #expect(fields["MESSAGE"]?.hasPrefix("checkpoint \(lines[0]) \(lines[1]) \(lines[2]) ") == true)
        #expect(fields["PRIORITY"] == "5" && fields["SYSLOG_IDENTIFIER"] == "tokenvault")
        #expect(fields["SYSLOG_FACILITY"] == "10" && fields.count == 8)
        await log.vault.close()
    }

    @Test func `who does not read is not waited for`() async throws {
        let log = try await Log(entries: 1)
        let socket = try LogSocket(log.test.directory + "/journal")
        _ = try await log.vault.addAnchor(.journald, target: socket.path)
        for _ in 0..<2000 {
            guard try log.vault.anchors().first?.trouble == nil else { break }
            try await log.vault.anchorNewCheckpoints(isForced: true)
        }
        #expect(try log.vault.anchors().map(\.trouble) == ["busy"])
        while socket.next() != nil {}
        try await log.vault.anchorNewCheckpoints(isForced: true)
        #expect(try log.vault.anchors().map(\.trouble) == [nil])
        await log.vault.close()
    }

    /// Reads an entry as journald does: `NAME=value` on a line, or a name, a length and so many octets.
    private static func fields(_ entry: [UInt8]) throws -> [String: String] {
        var fields: [String: String] = [:]
        var rest = entry[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[(end + 1)...]
            if let equals = line.firstIndex(of: "=") {
                fields[String(line[..<equals])] = String(line[line.index(after: equals)...])
            } else {
                let length = rest.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << ($1.offset * 8) }
                rest = rest.dropFirst(8)
                fields[line] = String(decoding: rest.prefix(length), as: UTF8.self)
                rest = rest.dropFirst(length)
                try #require(rest.popFirst() == UInt8(ascii: "\n"))
            }
        }
        try #require(rest.isEmpty)
        return fields
    }
}
