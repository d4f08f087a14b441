import Foundation
import VaultCore

/// Looks for byte sequences in the vault's files as they lie on the disk.
struct FileScan {
    /// The database and what SQLite and the vault keep beside it.
    let files: [String]
    private let contents: [Data]

    init(_ vaultPath: String) throws {
        let directory = (vaultPath as NSString).deletingLastPathComponent
        let name = (vaultPath as NSString).lastPathComponent
        do {
            files = try FileManager.default.contentsOfDirectory(atPath: directory)
                .filter { $0 == name || $0.hasPrefix(name + "-") || $0 == name + ".lock" }.sorted()
            contents = try files.map {
                try Data(contentsOf: URL(filePath: directory).appending(path: $0), options: .mappedIfSafe)
            }
        } catch {
            throw VaultError(.ioFailure, "The vault's own files cannot be read.")
        }
    }

    var byteCount: Int { contents.map(\.count).reduce(0, +) }

    func contains(_ needle: [UInt8]) -> Bool {
        contents.contains { content in
            content.withUnsafeBytes { Self.isFound(needle, in: $0) }
        }
    }

    private static func isFound(_ needle: [UInt8], in bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress, let first = needle.first else { return false }
        var offset = 0
        while bytes.count - offset >= needle.count {
            let candidates = bytes.count - offset - needle.count + 1
            guard let hit = memchr(base + offset, Int32(first), candidates) else { return false }
            if memcmp(hit, needle, needle.count) == 0 { return true }
            offset = UnsafeRawPointer(hit) - base + 1
        }
        return false
    }

    func contains(_ text: String) -> Bool { contains(Array(text.utf8)) }

    /// Whether a token is there, as text or as the bytes it encodes.
    func contains(token: SecretBytes) -> Bool {
        token.withExposed { text in
            if contains(text) { return true }
            let prefixCount = "tv_at_".utf8.count
            guard let bytes = Base64URL.decode(text.dropFirst(prefixCount)) else { return false }
            return contains(bytes)
        }
    }
}
