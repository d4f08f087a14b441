import Foundation

/// The `tokenvault` binary that was built beside this test bundle.
enum Tool {
    /// Where it lies: the bundle is an executable or a directory in the build directory.
    static let directory: String = {
        let places =
            Bundle.allBundles.map(\.bundleURL) + CommandLine.arguments.prefix(1).map { URL(filePath: $0) }
        let candidates = places.flatMap { [$0, $0.deletingLastPathComponent()] }.map(\.path)
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0 + "/tokenvault") }
            ?? "/nowhere"
    }()

    static var path: String { directory + "/tokenvault" }
}

/// What a program said and how it ended.
struct Ending: Sendable {
    let status: Int32
    let output: String
    let complaints: String

    var outputLines: [String] { Self.lines(output) }
    var complaintLines: [String] { Self.lines(complaints) }

    private static func lines(_ text: String) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// The one JSON object on standard output.
    func object() throws -> [String: Any] { try Self.object(output) }

    static func object(_ line: String) throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            throw Missing.value("a JSON object in \(line)")
        }
        return object
    }
}

/// Something a test needs is not there.
enum Missing: Error { case value(String) }
