import Foundation
import ServiceLifecycle

/// Tells systemd how far the service is (sd_notify(3)), where it asked to be told.
enum SupervisorNotice: String {
    case ready = "READY=1"
    case stopping = "STOPPING=1"

    /// Nothing can be done when nobody listens.
    func send(to path: String? = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"]) {
        guard let path, path.hasPrefix("/") || path.hasPrefix("@") else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        // An abstract name begins with a zero octet.
        if name.first == UInt8(ascii: "@") { name[0] = 0 }
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        #if os(Linux)
            let kind = Int32(SOCK_DGRAM.rawValue)
        #else
            let kind = SOCK_DGRAM
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let length = MemoryLayout.offset(of: \sockaddr_un.sun_path).map { $0 + name.count } ?? 0
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, rawValue, rawValue.utf8.count, 0, $0, socklen_t(length))
            }
        }
    }
}

/// Tells systemd when the shutdown begins: the last service of a group is the first to hear of it.
struct SupervisorNotices: Service {
    func run() async throws {
        try await gracefulShutdown()
        SupervisorNotice.stopping.send()
    }
}
