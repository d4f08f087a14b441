import Foundation
import VaultCore

/// A name given as `-` is read from standard input, so that it shows in no process list.
enum StandardInput {
    static func name(_ argument: String) throws -> String {
        guard argument == "-" else { return argument }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        // One byte more than a name may have is enough to refuse it.
        while bytes.count <= Limits.nameBytes + 2 {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw VaultError(.ioFailure, "Standard input cannot be read.", remedy: "Pipe the name in.")
            }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw VaultError(.invalidInput, "The name on standard input is not UTF-8.")
        }
        return name
    }
}
