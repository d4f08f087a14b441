import Foundation
import VaultCore

/// Tells scripts where the server is, or that a service works: a file that appears, complete, once it does, and goes at
/// the end.
struct ReadyFile: Sendable {
    private let path: String
    private var draft: String { path + ".\(getpid())" }

    /// Removes what an earlier run left, and finds out now rather than later whether the file can be written.
    init(preparing path: String) throws {
        self.path = path
        try Self.removeLeftover(path)
        let descriptor = open(
            path + ".\(getpid())", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw Self.failure(path) }
        close(descriptor)
    }

    func publish(_ url: String) throws {
        let descriptor = open(draft, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw Self.failure(path) }
        let line = Array((url + "\n").utf8)
        let count = write(descriptor, line, line.count)
        close(descriptor)
        guard count == line.count, rename(draft, path) == 0 else { throw Self.failure(path) }
    }

    func remove() {
        unlink(draft)
        unlink(path)
    }

    /// Only what looks like a ready file is removed: a wrong argument must not cost anybody a key file.
    private static func removeLeftover(_ path: String) throws {
        guard let facts = FileFacts(at: path) else { return }
        let text =
            facts.isRegular && facts.size <= 512
            ? (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" : "-"
        guard text.isEmpty || ["http://", "https://", "tokenvault "].contains(where: text.hasPrefix) else {
            throw VaultError(
                .alreadyExists, "\(path) is there already and is no ready file.",
                remedy: "Name another file with --ready-file.")
        }
        unlink(path)
    }

    private static func failure(_ path: String) -> VaultError {
        VaultError(
            errno == ENOENT ? .notFound : .ioFailure,
            "The ready file \(path) cannot be written: \(String(cString: strerror(errno))).",
            remedy: "Check --ready-file.")
    }
}
