import Foundation
import Testing

/// The library that stands between a worker and its disk, compiled when it is first wanted.
enum FaultyDisk {
    private static let sources = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .appending(path: "FaultyDisk").path()

    /// Compiles the library into the rig's directory and says what a worker's environment must hold.
    static func environment(_ rig: Rig, _ settings: [String: String]) async throws -> [String: String] {
        let library = rig.directory + "/faulty_disk.so"
        if !FileManager.default.fileExists(atPath: library) {
            _ = try await run(
                "cc", "-shared", "-fPIC", "-O1", "-o", library, sources + "/faulty_disk.c", "-ldl")
        }
        return settings.merging(["LD_PRELOAD": library]) { $1 }
    }

    /// As above, watching the rig's vault.
    static func watching(_ rig: Rig, _ settings: [String: String]) async throws -> [String: String] {
        try await environment(rig, settings.merging(["DISK_VAULT": rig.path]) { $1 })
    }

    /// What became of the vault in each of many power cuts.
    struct Report: Decodable {
        let states: Int
        /// States in which something had been written and not yet synced.
        let unsynced: Int
        let problems: Int
        let first: [String]
        let lost: Int
        let denials: Int
        let acknowledged: Int
        let databaseWrites: Int
        let walSyncs: Int
    }

    static func cutPower(
        _ rig: Rig, trace: String, before database: String, states: Int, seed: UInt64, samples: Int = 0
    ) async throws -> Report {
        let scratch = rig.directory + "/cuts"
        try? FileManager.default.removeItem(atPath: scratch)
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: false)
        let output = try await run(
            "python3", "-B", sources + "/power_cut.py", trace, database, "\(states)", "\(seed)", scratch,
            "\(samples)")
        return try JSONDecoder().decode(Report.self, from: Data(output.utf8))
    }

    /// The states that were kept, each with what had been acknowledged.
    static func samples(_ rig: Rig) throws -> [(vault: String, chains: Chains)] {
        let scratch = rig.directory + "/cuts"
        return try FileManager.default.contentsOfDirectory(atPath: scratch).sorted().map { name in
            let folder = scratch + "/" + name
            var chains = Chains()
            let lines = try String(contentsOfFile: folder + "/acknowledged", encoding: .utf8)
            for line in lines.split(separator: "\n") { _ = chains.note("ack " + line) }
            return (folder + "/vault", chains)
        }
    }
}
