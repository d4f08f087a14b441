import Foundation
import VaultCore

/// One datagram to a socket of this machine, sent without waiting.
enum LocalDatagram {
    /// - Throws: ``AnchorTrouble``: `unreachable` when nobody listens at `path`, `busy` when who listens does not keep up.
    static func send(_ message: [UInt8], to path: String) throws {
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
        let name = Array(path.utf8)
        let isFitting = withUnsafeMutableBytes(of: &address.sun_path) { space in
            guard name.count < space.count else { return false }
            space.copyBytes(from: name)
            return true
        }
        guard isFitting else { throw AnchorTrouble("unreachable") }
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
