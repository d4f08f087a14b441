import TestSupport
import Testing
import VaultCore

/// The decoder of form bodies, without HTTP around it.
@Suite struct `Form decoder` {
    private func decode(_ text: String) throws -> [String: String] {
        let parameters = try FormCoding.strictPairs(Array(text.utf8))
        return Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.value.text) })
    }

    @Test func `names and values are decoded, plus signs are spaces, empty pairs are nothing`() throws {
        let cases: [(String, [String: String])] = [
            (
                "a=1&b=x+y%20z&&c&=&%61%62=%C3%A9%2B%26%3D",
                ["a": "1", "b": "x y z", "c": "", "": "", "ab": "é+&="]
            ), ("", [:]), ("&&&&", [:]), ("a=b=c", ["a": "b=c"]),
        ]
        for (text, expected) in cases { #expect(try decode(text) == expected) }
    }

    @Test func `names that differ in octets alone are two parameters`() throws {
        #expect(try FormCoding.strictPairs(Array("e\u{301}=1&\u{e9}=2".utf8)).count == 2)
        #expect(throws: FormError.repeatedParameter) { try decode("%61=1&a=2") }
    }

    @Test func `each kind of damage has its name`() {
        let damage: [(String, FormError)] = [
            ("a=%", .percentEncoding), ("a=%1", .percentEncoding), ("a=%1g", .percentEncoding),
            ("a%&=1", .percentEncoding), ("a=%00", .controlCharacter), ("a=\n", .controlCharacter),
            ("a=\u{7f}", .controlCharacter), ("a=%80", .notUTF8), ("%ff=1", .notUTF8),
            ("a&a", .repeatedParameter),
            ((0..<65).map { "p\($0)" }.joined(separator: "&"), .tooManyParameters),
        ]
        for (text, error) in damage { #expect(throws: error) { try decode(text) } }
    }

    /// What the grammar says, slowly: the model that the decoder is held against.
    private func model(_ body: [UInt8]) -> [[UInt8]: [UInt8]]? {
        var found: [[UInt8]: [UInt8]] = [:]
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let halves = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = component(halves[0]), let value = component(halves.count > 1 ? halves[1] : []),
                found.updateValue(value, forKey: name) == nil
            else { return nil }
        }
        return found.count <= 64 ? found : nil
    }

    private func component(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var octets: [UInt8] = []
        var rest = text
        while let first = rest.popFirst() {
            if first == UInt8(ascii: "%") {
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit),
                    let octet = UInt8(digits, radix: 16),
                    octet != 0
                else { return nil }
                octets.append(octet)
                rest = rest.dropFirst(2)
            } else {
                guard first >= 0x20, first != 0x7F else { return nil }
                octets.append(first == UInt8(ascii: "+") ? UInt8(ascii: " ") : first)
            }
        }
        return String(validating: octets, as: UTF8.self) == nil ? nil : octets
    }

    @Test func `100,000 random bodies are decoded as the model does, and never trap`() {
        var random = SeededGenerator("FormDecoderTests")
        let seed = random.seed
        let alphabet = Array("abc=&&=%+0123456789abcdefABCDEF".utf8) + [0, 10, 127, 0x80, 0xC3, 0xA9, 0xFF]
        var accepted = 0
        for _ in 0..<100_000 {
            let count = Int.random(in: 0...24, using: &random)
            let body = (0..<count).map { _ in alphabet[Int.random(in: alphabet.indices, using: &random)] }
            let decoded = try? FormCoding.strictPairs(body)
            let found = decoded.map { parameters in
                Dictionary(
                    uniqueKeysWithValues: parameters.map {
                        ($0.name.utf8.map(\.self), $0.value.withExposed(\.self))
                    })
            }
            #expect(found == model(body), "seed \(seed), body \(body)")
            accepted += decoded == nil ? 0 : 1
        }
        // Both sides of the decision were reached, often.
        #expect((5000...95_000).contains(accepted), "seed \(seed)")
    }
}
