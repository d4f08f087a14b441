import CVaultShims
import Foundation
import VaultCore
import VaultCrypto
import VaultStore

/// Whether a process serves the vault now, and which processes have its lock file open as far as this user may see.
struct ServingState {
    /// A heartbeat is written every 5 s; several missed ones mean that writes do not get through.
    static let silence: Int64 = 30_000
    /// Processes and descriptors looked at in /proc.
    private static let processes = 32_768
    private static let descriptors = 65_536

    let isServed: Bool
    /// Holders of the lock by which services know each other.
    let holders: [Int32]

    init(beside path: String) {
        let lock = path + ".lock"
        // Not ours to make, and never to be followed elsewhere.
        let descriptor = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            isServed = false
            holders = []
            return
        }
        defer { close(descriptor) }
        var information = stat()
        isServed = tv_byte_is_locked(descriptor, 2) == 1
        holders = isServed && fstat(descriptor, &information) == 0 ? Self.holders(of: information) : []
    }

    func check(heartbeat: Int64?, now: VaultInstant) -> DoctorCheck {
        let id = "serving.process"
        guard isServed else { return .ok(id, "No process serves this vault now.") }
        let names = holders.map { "process \($0)" }.joined(separator: ", ")
        let who =
            names.isEmpty
            ? "A process of another user or container" : names.prefix(1).uppercased() + names.dropFirst()
        if let heartbeat, now.millisecondsSince1970 - heartbeat > Self.silence {
            let age = DoctorText.span(now.millisecondsSince1970 - heartbeat)
            return .warning(
                id, "\(who) serves this vault, but its last heartbeat is \(age) old.",
                "Read its log: its writes fail, or the process hangs.")
        }
        return .ok(id, "\(who) serves this vault.")
    }

    /// Whether keys are locked into memory: those of the processes that serve, as far as they can be looked at, and of this
    /// one, whose limits may be others.
    func memoryCheck() -> DoctorCheck {
        let id = "memory.locked"
        let process = holders.first(where: Self.locksNothing)
        guard process != nil || !ProcessHardening.areKeysLocked() else {
            return .ok(id, "Keys are locked into memory.")
        }
        let whose = process.map { "process \($0), which serves this vault," } ?? "this process"
        return .advice(
            id, "Keys of \(whose) are not locked into memory: they may be written to swap.",
            ProcessHardening.lockingAdvice)
    }

    /// Whether this kernel can confine the process that fetches what clients publish.
    static func confinementCheck() -> DoctorCheck {
        let id = "fetch.confined"
        let (version, filters) = (tv_landlock_version(), tv_filters_calls() == 1)
        guard version < 4 || !filters else {
            return .ok(id, "The kernel can confine the process that fetches what clients publish.")
        }
        return .advice(
            id,
            "The kernel cannot wholly confine the process that fetches what clients publish: Landlock version "
                + "\(version), filters of system calls: \(filters ? "yes" : "no").",
            "Use Linux 6.7 or later with Landlock and seccomp, or do not fetch what clients publish.")
    }

    private static func locksNothing(_ process: Int32) -> Bool {
        let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status?.split(separator: "\n").first { $0.hasPrefix("VmLck:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first == "0"
    }

    /// Who holds byte 2 of this lock file; nothing where /proc is not there or closed to us.
    private static func holders(of lock: stat) -> [Int32] {
        var found: [Int32] = []
        var looked = 0
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for process in names.compactMap({ Int32($0) }).sorted().prefix(processes) {
            let folder = "/proc/\(process)/fd"
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                looked += 1
                guard looked <= descriptors else { return found }
                var information = stat()
                guard stat("\(folder)/\(name)", &information) == 0, information.st_dev == lock.st_dev,
                    information.st_ino == lock.st_ino,
                    let facts = try? String(
                        contentsOfFile: "/proc/\(process)/fdinfo/\(name)", encoding: .utf8),
                    facts.split(separator: "\n").contains(where: {
                        $0.contains("OFDLCK") && $0.hasSuffix(" 2 2")
                    })
                else { continue }
                found.append(process)
                break
            }
        }
        return found
    }
}

extension DatabaseExamination {
    func servingCheck(_ serving: ServingState) throws -> DoctorCheck {
        let heartbeat = try database.integer("SELECT heartbeat_at FROM vault WHERE id = 1")
        return serving.check(heartbeat: heartbeat, now: now)
    }
}
