/// A reply as a tree: JSON as it is, a form as an object of strings.
indirect enum ReplyValue: Equatable {
    case null
    case bool(Bool)
    /// As written: a `Double` would round what is none of our business.
    case number(String)
    case string([UInt8])
    case array([ReplyValue])
    case object([String: ReplyValue])
    /// A member that came twice with two values: whoever picks one may pick the wrong one.
    case contradiction

    /// What is at `path` (`authed_user.access_token`, `errors.0.errorType`). Nil when it is not there, `null`
    /// or an empty string, which providers write for "none".
    func value(at path: String) -> ReplyValue? {
        var value = self
        for step in path.split(separator: ".") {
            switch value {
            case .object(let members):
                guard let member = members[String(step)] else { return nil }
                value = member
            case .array(let values):
                guard let index = Int(step), values.indices.contains(index) else { return nil }
                value = values[index]
            case .contradiction: return .contradiction
            default: return nil
            }
        }
        switch value {
        case .null, .string([]): return nil
        default: return value
        }
    }

    /// The first of `paths` with something at it.
    func first(of paths: [String]) -> ReplyValue? {
        for path in paths {
            if let value = value(at: path) { return value }
        }
        return nil
    }

    /// Whether an object in here has one of `names` with anything but nothing.
    func hasMember(named names: Set<String>) -> Bool {
        switch self {
        case .object(let members):
            members.contains { name, value in
                switch value {
                case .null, .string([]): false
                default: names.contains(name) || value.hasMember(named: names)
                }
            }
        case .array(let values): values.contains { $0.hasMember(named: names) }
        case .null, .bool, .number, .string, .contradiction: false
        }
    }

    /// A string, a number or a truth value as text.
    var text: String? {
        switch self {
        case .bool(let value): value ? "true" : "false"
        case .number(let text): text
        case .string(let bytes): String(decoding: bytes, as: UTF8.self)
        case .null, .array, .object, .contradiction: nil
        }
    }

    /// Adds a member; one that is there already with another value contradicts it.
    static func put(_ value: ReplyValue, _ name: String, into members: inout [String: ReplyValue]) {
        guard let earlier = members[name], earlier != value else {
            members[name] = value
            return
        }
        members[name] = .contradiction
    }
}
