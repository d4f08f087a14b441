import Foundation
import VaultCore

/// What is given as `-` is read from standard input, so that it shows in no process list.
enum StandardInput {
    /// A name: the argument, or the line on standard input.
    static func name(_ argument: String) throws -> String {
        guard argument == "-" else { return argument }
        // One byte more than a name may have is enough to refuse it.
        var bytes = try read(upTo: Limits.nameBytes + 3)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw VaultError(.invalidInput, "The name on standard input is not UTF-8.")
        }
        return name
    }

    /// Everything there is.
    ///
    /// - Throws: `VaultError.Code.invalidInput` beyond `limit`.
    static func bytes(limit: Int) throws -> [UInt8] {
        let bytes = try read(upTo: limit + 1)
        guard bytes.count <= limit else {
            throw VaultError(.invalidInput, "Standard input is longer than \(limit) bytes.")
        }
        return bytes
    }

    private static func read(upTo limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            let count = Foundation.read(STDIN_FILENO, &buffer, min(buffer.count, limit - bytes.count))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw VaultError(.ioFailure, "Standard input cannot be read.", remedy: "Pipe it in.")
            }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        return bytes
    }
}
