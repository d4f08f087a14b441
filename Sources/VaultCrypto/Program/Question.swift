import CSodium
import VaultCore

/// What a key program is asked: one JSON object, composed by hand because it may hold a key.
struct Question {
    private(set) var text: [UInt8] = []

    init(_ operation: String, _ vault: VaultID, _ slot: [UInt8]) {
        // Room for all, so that no copy of a key is left behind when it grows.
        text.reserveCapacity(2 * Limits.keyProgramBlobBytes)
        text += Array(
            #"{"version":1,"op":"\#(operation)","vault":"\#(vault)","slot":"\#(Hex.encode(slot))""#.utf8)
    }

    /// Adds the last member, in base64.
    mutating func ask(_ member: String, _ bytes: UnsafeBufferPointer<UInt8>) {
        text += Array(#","\#(member)":""#.utf8)
        let variant = sodium_base64_VARIANT_ORIGINAL
        let capacity = sodium_base64_encoded_len(bytes.count, variant)
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { base64 in
            guard let base = base64.baseAddress, let source = bytes.baseAddress else { return }
            unsafe sodium_bin2base64(base, capacity, source, bytes.count, variant)
            // The last one is the zero of C.
            for index in 0..<capacity - 1 { unsafe text.append(UInt8(bitPattern: base[index])) }
            unsafe sodium_memzero(base, capacity)
        }
        text += Array("\"}\n".utf8)
    }

    mutating func wipe() { Sodium.wipe(&text) }
}

/// Reads what a key program answers: an object of one member, whose value is base64.
enum ProgramReply {
    /// Decodes the value; nil for anything but `{"<member>":"<base64 of at most capacity bytes>"}` with white space
    /// where JSON has it.
    ///
    /// - Returns: how many bytes were written.
    static func decode(
        _ text: UnsafeBufferPointer<UInt8>, member: String, into bytes: UnsafeMutablePointer<UInt8>,
        _ capacity: Int
    ) -> Int? {
        var rest = unsafe text[...]
        func skipSpace() {
            while let next = unsafe rest.first, [0x20, 0x09, 0x0A, 0x0D].contains(next) {
                unsafe rest = rest.dropFirst()
            }
        }
        func take(_ token: String) -> Bool {
            skipSpace()
            guard unsafe rest.starts(with: token.utf8) else { return false }
            unsafe rest = rest.dropFirst(token.utf8.count)
            return true
        }
        guard take("{"), take("\"\(member)\""), take(":"), take("\""),
            let end = unsafe rest.firstIndex(of: UInt8(ascii: "\""))
        else { return nil }
        let value = unsafe UnsafeBufferPointer(rebasing: rest[..<end])
        unsafe rest = rest[(end + 1)...]
        guard take("}") else { return nil }
        skipSpace()
        guard unsafe rest.isEmpty else { return nil }
        return unsafe decode(value, into: bytes, capacity)
    }

    private static func decode(
        _ value: UnsafeBufferPointer<UInt8>, into bytes: UnsafeMutablePointer<UInt8>, _ capacity: Int
    ) -> Int? {
        // libsodium 1.0.18 takes octets above 0x7F for characters of the alphabet.
        guard let base = value.baseAddress, unsafe value.allSatisfy({ $0 < 0x80 }) else { return nil }
        return unsafe base.withMemoryRebound(to: CChar.self, capacity: value.count) { text in
            var count = 0
            let result = unsafe sodium_base642bin(
                bytes, capacity, text, value.count, nil, &count, nil, sodium_base64_VARIANT_ORIGINAL)
            return result == 0 ? count : nil
        }
    }
}
