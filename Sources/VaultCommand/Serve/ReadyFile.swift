import SQLiteStore
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import VaultCore

/// Tells scripts where the server is, or that a service works: a file that appears, complete, once it does, and goes at
/// the end.
final class ReadyFile: Sendable {
    private let file: Mutex<DraftFile>

    /// Removes what an earlier run left, and finds out now rather than later whether the file can be written.
    init(preparing path: String) throws {
        try Self.removeLeftover(path)
        file = Mutex(try DraftFile(of: path, isForAll: true))
    }

    func publish(_ url: String) throws {
        try file.withLock { file in
            try file.write(Array((url + "\n").utf8))
            try file.publish(replacing: true)
        }
    }

    /// Another process may have put its own in the place of this one: that stays.
    func remove() { file.withLock { $0.withdraw() } }

    /// Only what looks like a ready file is removed: a wrong argument must not cost anybody a key file.
    private static func removeLeftover(_ path: String) throws {
        guard let facts = FileFacts(at: path) else { return }
        let text =
            facts.isRegular && facts.size <= 512
            ? (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" : "-"
        guard text.isEmpty || ["http://", "https://", "tokenvault "].contains(where: text.hasPrefix) else {
            throw VaultError(
                .alreadyExists, "\(path) exists and is not a ready file.",
                remedy: "Name another file with --ready-file.")
        }
        unlink(path)
    }
}

extension OutputArguments {
    /// Says that a service works: by a line in its ready file, to scripts or to people, and to the supervisor.
    func announce(_ shown: Shown, line: String, in ready: ReadyFile?, _ logger: Logger) {
        do { try ready?.publish(line) } catch {
            logger.error("The ready file could not be written.", metadata: ["error": "\(error)"])
        }
        if isJSON {
            try? show(shown)
        } else {
            for line in shown.lines { Console.note("tokenvault: \(line)") }
        }
        SupervisorNotice.ready.send()
    }
}

/// Tells systemd the state of the service (sd_notify(3)), if it asks for that.
enum SupervisorNotice: String {
    case ready = "READY=1"
    case stopping = "STOPPING=1"

    /// Nothing can be done when no supervisor listens.
    func send(to path: String? = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"]) {
        guard let path, path.hasPrefix("/") || path.hasPrefix("@") else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        // An abstract name begins with a zero octet.
        if name.first == UInt8(ascii: "@") { name[0] = 0 }
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
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
    /// Called once the services before it run.
    var onStart: @Sendable () -> Void = {}

    func run() async throws {
        onStart()
        try await gracefulShutdown()
        SupervisorNotice.stopping.send()
    }
}
