import Foundation
import Testing

/// A file of `Tests/Vectors`: octets in hexadecimal, numbers in decimal, all as text.
struct VectorFile: Codable {
    let format: String
    let vectors: [[String: String]]

    static let regenerates = ProcessInfo.processInfo.environment["TOKENVAULT_REGENERATE_VECTORS"] == "1"

    private static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Vectors")

    static func load(_ name: String) throws -> VectorFile {
        try JSONDecoder().decode(VectorFile.self, from: Data(contentsOf: directory.appending(path: name)))
    }

    /// Compares `generated` with the stored file, or replaces the file when asked by the environment.
    static func compare(_ name: String, format: String, _ generated: [[String: String]]) throws {
        if regenerates {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            let file = VectorFile(format: format, vectors: generated)
            try (encoder.encode(file) + Data("\n".utf8)).write(to: directory.appending(path: name))
        }
        let stored = try load(name)
        #expect(stored.format == format)
        #expect(stored.vectors.map { $0["name"] } == generated.map { $0["name"] })
        for (old, new) in zip(stored.vectors, generated) { #expect(old == new) }
    }
}
