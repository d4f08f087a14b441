import Foundation
import Testing

/// `fetch-worker`, which was built beside this test bundle.
enum Worker {
    private static let program: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (bundle as NSString).deletingLastPathComponent + "/fetch-worker"
    }()

    private static let network =
        URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().path + "/Interop/open_net.py"

    /// What it printed, by the first word of each line.
    ///
    /// - Parameter isAlone: in a network of its own (see `Tests/Interop/open_net.py`), which adds a line `seen`.
    static func run(_ arguments: [String], isAlone: Bool = false) throws -> [String: String] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("secret".utf8).write(to: folder.appendingPathComponent("secret"))
        let own = arguments.map { $0 == "FOLDER" ? folder.path : $0 }
        let isolation = [
            "unshare", "--user", "--map-root-user", "--net", "--mount", "python3", network, folder.path,
        ]
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = (isAlone ? isolation : []) + [program] + own
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
        let lines = text.split(separator: "\n").map {
            $0.split(separator: " ", maxSplits: 1).map(String.init)
        }
        return Dictionary(lines.map { ($0[0], $0.count > 1 ? $0[1] : "") }) { $0 + "; " + $1 }
    }
}
