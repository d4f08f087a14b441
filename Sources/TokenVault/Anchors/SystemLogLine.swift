import Foundation
import MerkleLog
import VaultCore
import VaultCrypto

/// A checkpoint as one line of the system's log: origin, size, root, and per signature base64 of key hash and signature,
/// from which the signed note can be put together again.
struct SystemLogLine {
    let text: String
    private let note: String
    private let checkpoint: Checkpoint

    init(_ note: String) throws {
        let signed = try SignedNote.parse(Array(note.utf8))
        guard let checkpoint = Checkpoint(parsing: signed.text) else { throw AnchorTrouble("failed") }
        let signatures = signed.signatures.map { signature in
            Base64.encode(
                [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: signature.id >> $0) } + signature.bytes)
        }
        text =
            "checkpoint \(checkpoint.origin) \(checkpoint.size) \(Base64.encode(checkpoint.root.bytes)) "
            + signatures.joined(separator: " ")
        self.note = note
        self.checkpoint = checkpoint
    }

    /// As syslog takes it (RFC 3164: facility authpriv, severity notice).
    var syslog: [UInt8] { Array("<85>tokenvault[\(getpid())]: \(text)".utf8) }

    /// As journald takes it (systemd's native protocol), with the parts in fields of their own.
    var journal: [UInt8] {
        var entry: [UInt8] = []
        for (name, value) in [
            ("MESSAGE", text), ("PRIORITY", "5"), ("SYSLOG_FACILITY", "10"),
            ("SYSLOG_IDENTIFIER", "tokenvault"), ("TOKENVAULT_ORIGIN", checkpoint.origin),
            ("TOKENVAULT_SIZE", String(checkpoint.size)),
            ("TOKENVAULT_ROOT", Base64.encode(checkpoint.root.bytes)),
        ] { entry += Array("\(name)=\(value)\n".utf8) }
        // A value of several lines: name, newline, length in 64 bits, lowest octet first, value, newline.
        let octets = UInt64(note.utf8.count)
        entry += Array("TOKENVAULT_CHECKPOINT\n".utf8)
        entry += (0..<8).map { UInt8(truncatingIfNeeded: octets >> ($0 * 8)) }
        return entry + Array(note.utf8) + [UInt8(ascii: "\n")]
    }
}
