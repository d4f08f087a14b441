import Foundation
import VaultCore

/// What is given as `-` is read from standard input, so that it shows in no process list.
enum StandardInput {
    /// A name: the argument, or the line on standard input.
    static func name(_ argument: String) throws -> String {
        guard argument == "-" else { return argument }
        // One byte more than a name may have is enough to refuse it.
        var bytes = try read(upTo: Limits.nameBytes + 2)
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
        let bytes = try read(upTo: limit)
        guard bytes.count <= limit else {
            throw VaultError(.invalidInput, "Standard input is longer than \(limit) bytes.")
        }
        return bytes
    }

    private static func read(upTo limit: Int) throws -> [UInt8] {
        guard let bytes = SmallFile.read(STDIN_FILENO, upTo: limit) else {
            throw VaultError(.ioFailure, "Standard input cannot be read.", remedy: "Pipe it in.")
        }
        return bytes
    }
}
