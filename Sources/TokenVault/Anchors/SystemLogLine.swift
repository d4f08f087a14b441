import Foundation
import MerkleLog
import VaultCore
import VaultCrypto

/// A checkpoint as one line of the system's log: origin, size, root, and per signature base64 of key hash and signature,
/// from which the signed note can be put together again.
struct SystemLogLine {
    let text: String

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
    }

    /// Sends it as one datagram, without waiting (RFC 3164: facility authpriv, severity notice).
    ///
    /// - Throws: ``VaultError/Code/unavailable`` when nobody listens at `socketPath`.
    func send(to socketPath: String) throws {
        #if canImport(Glibc)
            let kind = Int32(SOCK_DGRAM.rawValue)
        #else
            let kind = SOCK_DGRAM
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw StorageFailure.failed("socket", errno) }
        defer { close(descriptor) }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(socketPath.utf8)
        let isFitting = withUnsafeMutableBytes(of: &address.sun_path) { space in
            guard name.count < space.count else { return false }
            space.copyBytes(from: name)
            return true
        }
        guard isFitting else { throw AnchorTrouble("unreachable") }
        let message = Array("<85>tokenvault[\(getpid())]: \(text)".utf8)
        let count = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                message.withUnsafeBytes { bytes in
                    sendto(
                        descriptor, bytes.baseAddress, bytes.count, 0, address,
                        socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        guard count == message.count else { throw AnchorTrouble(errno == EAGAIN ? "busy" : "unreachable") }
    }
}
