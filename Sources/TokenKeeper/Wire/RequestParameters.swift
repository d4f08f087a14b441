import VaultCore

/// Parameters of one request under the names that the provider has for them, in the order they are written.
struct RequestParameters {
    private(set) var pairs: [(name: String, value: SecretBytes)] = []
    private let names: [String: String]

    /// - Parameter names: the provider's names by the standard's.
    init(names: [String: String]) {
        self.names = names
    }

    /// Appends a parameter of the standards, unless there is nothing to say or it is there already.
    mutating func add(_ name: String, _ value: SecretBytes?) {
        let name = names[name] ?? name
        guard let value, !pairs.contains(where: { $0.name == name }) else { return }
        pairs.append((name, value))
    }

    mutating func add(_ name: String, _ value: String?) {
        add(name, value.map { SecretBytes(copying: $0) })
    }

    /// Puts the entry's own parameters in: they take the place of one of the same name, an empty value removes it.
    mutating func put(_ extras: [String: String]) {
        for (name, value) in extras.sorted(by: { $0.key < $1.key }) {
            let place = pairs.firstIndex { $0.name == name }
            switch (place, value.isEmpty) {
            case (let place?, true): pairs.remove(at: place)
            case (let place?, false): pairs[place].value = SecretBytes(copying: value)
            case (nil, true): break
            case (nil, false): pairs.append((name, SecretBytes(copying: value)))
            }
        }
    }

    /// `application/x-www-form-urlencoded`.
    var formEncoded: SecretBytes {
        var text: [UInt8] = []
        for (name, value) in pairs {
            if !text.isEmpty { text.append(UInt8(ascii: "&")) }
            text += FormCoding.encode(Array(name.utf8))
            text.append(UInt8(ascii: "="))
            text += value.withExposed(FormCoding.encode)
        }
        return SecretBytes(text)
    }

    /// One JSON object of strings.
    var json: SecretBytes {
        var text = Array("{".utf8)
        for (name, value) in pairs {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text += Self.quoted(Array(name.utf8))
            text.append(UInt8(ascii: ":"))
            text += value.withExposed(Self.quoted)
        }
        return SecretBytes(text + Array("}".utf8))
    }

    private static func quoted(_ bytes: [UInt8]) -> [UInt8] {
        var text = Array("\"".utf8)
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x00...0x1F: text += Array("\\u00".utf8) + FormCoding.hexadecimal(byte)
            default: text.append(byte)
            }
        }
        return text + Array("\"".utf8)
    }
}
