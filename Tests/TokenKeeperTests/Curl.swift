import Foundation
import TokenVaultTesting

/// curl: a client that shows an answer as it came, and says by its exit code what was wrong with it.
enum Curl {
    enum Code {
        static let refused: Int32 = 7
        static let partial: Int32 = 18
        static let timeout: Int32 = 28
        static let empty: Int32 = 52
        static let reset: Int32 = 56
    }

    struct Answer {
        let exit: Int32
        /// The status line and the headers.
        let head: String
        let body: Data

        var status: Int { head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }
        var reply: ScriptedReply { ScriptedReply(status: status, body: body) }
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    static func run(_ arguments: String...) throws -> Answer { try run(arguments) }

    static func run(_ arguments: [String]) throws -> Answer {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["curl", "--silent", "--include", "--noproxy", "*"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let interim = Data("HTTP/1.1 100 Continue\r\n\r\n".utf8)
        if data.starts(with: interim) { data = Data(data.dropFirst(interim.count)) }
        let end = data.range(of: Data("\r\n\r\n".utf8))
        return Answer(
            exit: process.terminationStatus,
            head: String(decoding: end.map { data[..<$0.lowerBound] } ?? data, as: UTF8.self),
            body: end.map { Data(data[$0.upperBound...]) } ?? Data())
    }

    /// A refresh by form and Basic.
    static func refresh(_ url: String, _ token: String, _ more: String...) throws -> Answer {
        try run(
            [
                "--header", "Authorization: " + ScriptedRequest.credentials, "--data",
                "grant_type=refresh_token&refresh_token=" + token,
            ] + more + [url + "/token"])
    }
}
