import Foundation
import Testing

/// One format vector: what goes in, what comes out, and under `expect` how a reader must answer.
///
/// All values are text: octets in hexadecimal, numbers in decimal. `of` names an earlier vector whose
/// values apply where this one has none.
typealias Vector = [String: String]

/// A file of `Tests/Vectors`.
struct VectorFile: Codable {
    let format: String
    let vectors: [Vector]

    static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Vectors")

    static let regenerates = ProcessInfo.processInfo.environment["TOKENVAULT_REGENERATE_VECTORS"] == "1"

    /// All vectors of a stored file, with what `of` refers to filled in.
    static func load(_ name: String) throws -> [Vector] {
        let vectors = try stored(name).vectors
        var known: [String: Vector] = [:]
        return try vectors.map { vector in
            var whole = vector
            if let base = vector["of"] {
                guard let inherited = known[base] else { throw Missing.value(base) }
                whole.merge(inherited) { own, _ in own }
            }
            known[try vector.value("name")] = whole
            return whole
        }
    }

    /// Compares `generated` with the stored file, or replaces the file when asked by the environment.
    static func compare(_ name: String, format: String, _ generated: [Vector]) throws {
        if regenerates {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            let file = VectorFile(format: format, vectors: generated)
            try (encoder.encode(file) + Data("\n".utf8)).write(to: directory.appending(path: name))
        }
        let file = try stored(name)
        #expect(file.format == format)
        #expect(file.vectors.map { $0["name"] } == generated.map { $0["name"] })
        for (old, new) in zip(file.vectors, generated) { #expect(old == new) }
    }

    private static func stored(_ name: String) throws -> VectorFile {
        let content = try Data(contentsOf: directory.appending(path: name))
        return try JSONDecoder().decode(VectorFile.self, from: content)
    }
}

extension Trait where Self == ConditionTrait {
    /// A test that reads what others may be writing: run the tests again after regenerating.
    static var readsVectors: Self { .disabled(if: VectorFile.regenerates, "the vectors are being written") }
}
