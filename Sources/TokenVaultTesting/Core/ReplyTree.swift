import VaultCore

/// A JSON value that is built by paths (`authed_user.access_token`, `errors.0.errorType`). Members keep the
/// order in which they came, so that equal histories give equal bytes.
enum ReplyTree: Sendable {
    case text(String)
    case number(Int64)
    case bool(Bool)
    case null
    case array([ReplyTree])
    case object([(name: String, value: ReplyTree)])

    /// What a bare word of an entry means: `true`, `0` and `-3` are no strings, `0000` is one.
    init(word: String) {
        if word == "true" || word == "false" {
            self = .bool(word == "true")
        } else if let number = Int64(word), String(number) == word {
            self = .number(number)
        } else {
            self = .text(word)
        }
    }

    /// Puts `value` where the path says, making what is missing on the way.
    mutating func set(_ path: String, to value: ReplyTree) {
        set(path.split(separator: ".").map(String.init)[...], to: value)
    }

    private mutating func set(_ path: ArraySlice<String>, to value: ReplyTree) {
        guard let name = path.first else {
            self = value
            return
        }
        if let index = Int(name), index >= 0, index < 16, !isObject {
            var elements: [ReplyTree] = if case .array(let present) = self { present } else { [] }
            while elements.count <= index { elements.append(.null) }
            elements[index].set(path.dropFirst(), to: value)
            self = .array(elements)
        } else {
            var members: [(name: String, value: ReplyTree)] = []
            if case .object(let present) = self { members = present }
            let place = members.firstIndex { $0.name == name } ?? members.count
            if place == members.count { members.append((name, .null)) }
            members[place].value.set(path.dropFirst(), to: value)
            self = .object(members)
        }
    }

    private var isObject: Bool { if case .object = self { true } else { false } }

    /// The bytes of the value.
    var json: String {
        switch self {
        case .text(let text): Self.quoted(text)
        case .number(let number): String(number)
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        case .array(let elements): "[" + elements.map(\.json).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",") + "}"
        }
    }

    /// The leaves as a form, under the last names of their paths: what GitHub and Facebook once answered.
    var form: String { FormCoding.encode(leaves(name: "")) }

    private func leaves(name: String) -> [(name: String, value: String)] {
        switch self {
        case .text(let text): [(name, text)]
        case .number, .bool: [(name, json)]
        case .null: []
        case .array(let elements): elements.flatMap { $0.leaves(name: name) }
        case .object(let members): members.flatMap { $0.value.leaves(name: $0.name) }
        }
    }

    // RFC 8259 section 7: quotation mark, reverse solidus and the control characters must be escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
