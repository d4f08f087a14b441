import Foundation
import VaultCore

/// A directory that others read while we add to it: files appear whole, and a tile never changes once it is there.
struct TileDirectory {
    let path: String

    /// Makes the directory where it is missing.
    init(_ path: String) throws {
        self.path = path
        try Self.make(path)
    }

    /// The content of a small file; nil when it is not there.
    func read(_ name: String, limit: Int) throws -> [UInt8]? {
        let place = "\(path)/\(name)"
        guard access(place, F_OK) == 0 else { return nil }
        return try SmallFile.read(place, limit: limit, closed: .toNobody, remedy: "Check the directory.")
    }

    /// Writes what will never change.
    ///
    /// - Returns: whether it was not there before.
    /// - Throws: ``VaultError/Code/integrity`` when something else is there.
    func add(_ name: String, _ bytes: [UInt8]) throws -> Bool {
        if let existing = try read(name, limit: Self.fileBytes) {
            guard existing == bytes else {
                throw VaultError(
                    .integrity, "\(path)/\(name) is there and differs from the log.",
                    remedy: "Something else wrote into the directory: export into a new one, and compare.")
            }
            return false
        }
        try replace(name, bytes)
        return true
    }

    /// Writes a file in one step: readers see the old one or the new one.
    func replace(_ name: String, _ bytes: [UInt8]) throws {
        let place = "\(path)/\(name)"
        try Self.make((place as NSString).deletingLastPathComponent)
        let draft = "\(place).new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failed("opened", draft) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = Self.failed("written", draft)
                close(descriptor)
                throw error
            }
            rest = rest.dropFirst(count)
        }
        guard close(descriptor) == 0, rename(draft, place) == 0 else { throw Self.failed("written", place) }
    }

    /// Waits until everything written is on the disk. One call for thousands of files, where an fsync of each
    /// would take minutes.
    func settle() { sync() }

    func remove(_ name: String) {
        try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }

    private static func make(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch { throw failed("made", path) }
    }

    private static func failed(_ action: String, _ path: String) -> VaultError {
        VaultError(
            errno == EACCES ? .permissionDenied : errno == ENOSPC ? .outOfSpace : .ioFailure,
            "\(path) cannot be \(action): \(String(cString: strerror(errno))).",
            remedy:
                "Check the directory and its free space; what is written so far is used by the next export.")
    }

    /// A full bundle of the longest entries.
    private static let fileBytes = Limits.tileWidth * (Limits.leafBytes + 2)
}
