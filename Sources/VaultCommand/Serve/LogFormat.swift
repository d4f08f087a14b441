public import ArgumentParser
import Foundation
public import Logging
import VaultCore

enum LogFormat: String, CaseIterable, ExpressibleByArgument {
    case text
    case json

    /// Every entry of both forms has a time; to be called while there is one thread.
    func logger(_ level: Logger.Level) -> Logger {
        // Without it the C library looks at that file for every entry.
        setenv("TZ", ":/etc/localtime", 0)
        var logger = Logger(label: "tokenvault") { label in
            switch self {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler(label: label)
            }
        }
        logger.logLevel = level
        return logger
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// Writes each entry as a JSON object on a line of standard error, metadata beside `time`, `level` and `message`.
struct JSONLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    private let label: String

    init(label: String) { self.label = label }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line: [UInt8] = [UInt8(ascii: "{")]
        Self.add("time", SystemClock().now().rfc3339, to: &line)
        Self.add("level", event.level.rawValue, to: &line)
        Self.add("message", event.message.description, to: &line)
        Self.add("logger", label, to: &line)
        let all = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            Self.add(Self.reserved.contains(key) ? "_" + key : key, value.description, to: &line)
        }
        // Comma of the last member.
        line.removeLast()
        line += Array("}\n".utf8)
        // One call, so that lines of several threads do not mix. Nothing can be done when it fails.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static let reserved: Set = ["time", "level", "message", "logger"]

    private static func add(_ name: String, _ value: String, to line: inout [UInt8]) {
        line += JSONValue.quoted(Array(name.utf8))
        line.append(UInt8(ascii: ":"))
        line += JSONValue.quoted(Array(value.utf8))
        line.append(UInt8(ascii: ","))
    }
}
