import CVaultShims
import Foundation
package import VaultCore

/// The lock file beside the vault, by which processes take turns at writing.
///
/// SQLite before 3.51.3 can corrupt a WAL database when two connections write or checkpoint at the same moment.
/// So every write transaction, every checkpoint and every opening or closing of a writer holds byte 0 exclusively.
/// Byte 1 is the queue for it: a process that waits for byte 0 holds byte 1, so a busy service cannot starve a command.
/// Byte 2 is held shared by every serving process: its absence at start means that no process was serving.
///
/// Open-file-description locks: the kernel drops them when the process ends, however it ends.
package final class VaultLock: Sendable {
    private static let writerByte: Int64 = 0
    private static let doorByte: Int64 = 1
    private static let servingByte: Int64 = 2

    private let path: String
    private let descriptor: Int32

    package init(beside vaultPath: String) throws {
        path = vaultPath + ".lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StorageFailure.opening(path, errno) }
        VaultFile.giveToOwner(of: vaultPath, descriptor)
    }

    deinit { close(descriptor) }

    /// Holds the writer's lock while `body` runs.
    ///
    /// - Parameter waiting: called about every millisecond while another process holds the lock; throw to give up.
    package func withWriterLock<Result>(waiting: () throws -> Void, _ body: () throws -> Result) throws
        -> Result
    {
        try take(Self.doorByte, waiting)
        do {
            try take(Self.writerByte, waiting)
        } catch {
            _ = tv_unlock_byte(descriptor, Self.doorByte)
            throw error
        }
        _ = tv_unlock_byte(descriptor, Self.doorByte)
        defer { _ = tv_unlock_byte(descriptor, Self.writerByte) }
        try checkIdentity()
        return try body()
    }

    /// Runs `body` under the writer's lock. Throws ``VaultError/Code/busy`` after `limit`.
    package func withWriterLock<Result>(within limit: Duration, _ body: () throws -> Result) throws -> Result
    {
        let deadline = ContinuousClock.now + limit
        return try withWriterLock(
            waiting: {
                guard ContinuousClock.now < deadline else { throw Self.busy }
            }, body)
    }

    /// A lock file that was removed or replaced excludes no process any more.
    private func checkIdentity() throws {
        guard VaultFile.isNamed(descriptor, path) else {
            throw VaultError(
                .unavailable, "The lock file \(path) was removed or replaced while in use.",
                remedy: "Restart every process that has the vault open.")
        }
    }

    /// Joins the serving processes. True: there was no other, so no process served until now.
    package func beginServing() throws -> Bool {
        let isFirst = tv_lock_byte(descriptor, Self.servingByte, 1) == 0
        let code = tv_lock_byte(descriptor, Self.servingByte, 0)
        // EAGAIN: another process tests the byte exclusively at this very moment, which means it is serving too.
        guard code == 0 || code == EAGAIN else { throw StorageFailure.failed("lock", code) }
        return isFirst
    }

    /// Whether a process serves now.
    package func isServed() throws -> Bool {
        let code = tv_lock_byte(descriptor, Self.servingByte, 1)
        guard code == 0 || code == EAGAIN else { throw StorageFailure.failed("lock", code) }
        if code == 0 { _ = tv_unlock_byte(descriptor, Self.servingByte) }
        return code == EAGAIN
    }

    /// Leaves the serving processes.
    package func endServing() { _ = tv_unlock_byte(descriptor, Self.servingByte) }

    package static let busy = VaultError(
        .busy, "Another process is writing to this vault.", remedy: "Try again in a moment.")

    private func take(_ byte: Int64, _ waiting: () throws -> Void) throws {
        var turns = 0
        while true {
            let code = tv_lock_byte(descriptor, byte, 1)
            if code == 0 { return }
            guard code == EAGAIN else { throw StorageFailure.failed("lock", code) }
            try waiting()
            turns += 1
            usleep(turns < 20 ? 100 : 1000)
        }
    }
}
