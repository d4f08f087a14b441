import Foundation
import Synchronization

/// Descriptors of vault files that must not be closed yet.
///
/// `close(2)` of any descriptor drops every POSIX lock this process holds on that file: SQLite's too, of connections
/// that are open. Another process would then take itself for the last one and delete the WAL under them. So a
/// descriptor opened beside SQLite's own is parked until the last store of that file in this process is closed.
enum ParkedDescriptors {
    private struct File: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    private struct State {
        var stores = 0
        var parked: [Int32] = []
    }

    private static let files = Mutex<[File: State]>([:])

    /// A store of the file at `path` is about to be opened.
    static func storeOpens(_ path: String) {
        guard let file = file(path) else { return }
        files.withLock { $0[file, default: State()].stores += 1 }
    }

    /// The connections of a store of the file at `path` are closed.
    static func storeClosed(_ path: String) {
        guard let file = file(path) else { return }
        let parked = files.withLock { files -> [Int32] in
            guard var state = files[file] else { return [] }
            state.stores -= 1
            files[file] = state.stores > 0 ? state : nil
            return state.stores > 0 ? [] : state.parked
        }
        for descriptor in parked { Foundation.close(descriptor) }
    }

    /// Closes a descriptor, now or when it does no harm any more.
    static func close(_ descriptor: Int32) {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { return }
        let file = File(device: UInt64(information.st_dev), inode: UInt64(information.st_ino))
        let isParked = files.withLock { files in
            guard files[file] != nil else { return false }
            files[file]?.parked.append(descriptor)
            return true
        }
        if !isParked { Foundation.close(descriptor) }
    }

    private static func file(_ path: String) -> File? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        return File(device: UInt64(information.st_dev), inode: UInt64(information.st_ino))
    }
}
