import Foundation
import Testing

/// The `tokenvault` binary that was built beside this test bundle.
enum Tool {
    static let directory: URL = {
        // The bundle may be an executable in the build directory or a directory there.
        let places = Bundle.allBundles.map(\.bundleURL) + [URL(filePath: CommandLine.arguments[0])]
        let candidates = places.flatMap { [$0, $0.deletingLastPathComponent()] }
        let isBuildDirectory = { (place: URL) in
            FileManager.default.isExecutableFile(atPath: place.appending(path: "tokenvault").path)
        }
        return candidates.first(where: isBuildDirectory) ?? URL(filePath: "/nonexistent")
    }()

    static var path: String { directory.appending(path: "tokenvault").path }
}
