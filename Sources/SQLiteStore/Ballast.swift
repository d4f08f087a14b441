import CVaultShims
package import Foundation
import Synchronization
package import VaultCore

/// Space kept back beside the vault, so that work already begun can be finished on a full disk. Whole, and some room
/// besides: new work is taken. Else only work that finishes something is taken; when that finds no room, the space is
/// given up to it, and reserved again once there is enough.
package final class Ballast: Sendable {
    private let vaultPath: String
    private let path: String
    private let whole = Atomic<Bool>(false)
    private let nextAttempt = Mutex(ContinuousClock.now)

    package init(beside vaultPath: String) {
        self.vaultPath = vaultPath
        path = vaultPath + ".ballast"
        restore()
    }

    /// Whether new work may be taken.
    package var isWhole: Bool { whole.load(ordering: .acquiring) }

    /// As ``isWhole``, but asks for the space again, at most once a second, while it is gone.
    package func admitsNewWork() -> Bool {
        if isWhole { return true }
        let isDue = nextAttempt.withLock { next in
            let now = ContinuousClock.now
            guard next <= now else { return false }
            next = now + .seconds(1)
            return true
        }
        if isDue { restore() }
        return isWhole
    }

    /// Frees the reserved space.
    package func giveUp() {
        whole.store(false, ordering: .releasing)
        nextAttempt.withLock { $0 = .now + .seconds(1) }
        truncate(path, 0)
    }

    /// Reserves the space again if there is enough, and checks whether there is room for new work, too.
    package func restore() {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            // Only want of space is a reason to refuse work; whatever else is wrong here does not lose anything.
            whole.store(errno != ENOSPC && errno != EDQUOT, ordering: .releasing)
            return
        }
        defer { close(descriptor) }
        VaultFile.giveToOwner(of: vaultPath, descriptor)
        var (information, disk) = (stat(), statvfs())
        let size = fstat(descriptor, &information) == 0 ? Int64(information.st_size) : 0
        // An attempt that fails would for a moment take the room that work under way needs.
        if fstatvfs(descriptor, &disk) == 0, Self.lacksSpace(disk, reserved: size) {
            return whole.store(false, ordering: .releasing)
        }
        // Another process may have given it up.
        guard size < Limits.ballastBytes else { return whole.store(true, ordering: .releasing) }
        if tv_reserve(descriptor, Limits.ballastBytes) == 0 {
            whole.store(true, ordering: .releasing)
        } else {
            // A partial reservation would hold the little space that is left.
            ftruncate(descriptor, 0)
            whole.store(false, ordering: .releasing)
        }
    }

    /// Whether a disk has no room for new work.
    ///
    /// - Parameter size: what is reserved already, in bytes.
    package static func lacksSpace(_ disk: statvfs, reserved size: Int64) -> Bool {
        // Some file systems count nothing, some more than fits an integer.
        guard disk.f_blocks > 0 else { return false }
        let free = Double(geteuid() == 0 ? disk.f_bfree : disk.f_bavail) * Double(disk.f_frsize)
        return free < Double(Limits.spaceForNewWork + max(0, Limits.ballastBytes - size))
    }

    package static let refusal = VaultError(
        .outOfSpace, "The disk is nearly full, so new grants are refused.",
        remedy: "Free some space; new grants are accepted again by themselves.")
}
