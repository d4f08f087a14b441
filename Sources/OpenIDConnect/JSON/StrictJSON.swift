/// A JSON text that two readers cannot take for two things: names are unique, nothing follows the value.
/// Numbers keep the precision of `Double`, which is exact for every time and count that a token may hold.
indirect enum StrictJSON: Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([StrictJSON])
    case object([(name: String, value: StrictJSON)])

    /// The member of an object, by the octets of its name.
    subscript(name: String) -> StrictJSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name.hasSameOctets(as: name) }?.value
    }

    /// The names of an object's members.
    var names: [String] {
        guard case .object(let members) = self else { return [] }
        return members.map(\.name)
    }

    var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var number: Double? {
        guard case .number(let value) = self else { return nil }
        return value
    }

    var array: [StrictJSON]? {
        guard case .array(let values) = self else { return nil }
        return values
    }

    var isObject: Bool {
        guard case .object = self else { return false }
        return true
    }
}

extension String {
    /// Octets, not `==`: that takes two spellings of one character for equal.
    func hasSameOctets(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
