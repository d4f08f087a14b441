import VaultCore
import Yams

/// A value of an entry that knows where it stands, so that every complaint says file, line and field.
struct EntryNode {
    private let node: Node
    private let field: String
    private let file: String

    init(_ node: Node, field: String, file: String) {
        self.node = node
        self.field = field
        self.file = file
    }

    /// An error about this value: `what` follows the name of the field.
    func fault(_ what: String) -> VaultError {
        EntryText.fault(file, node.mark?.line, field.isEmpty ? "The entry \(what)." : "\(field) \(what).")
    }

    /// A name out of the file as far as it can be shown.
    static func shown(_ name: String) -> String {
        StandardNames.isToken(name) && name.utf8.count <= 64 ? name : "with an unreadable name"
    }

    /// Values by name; the values know their own places.
    func members() throws(VaultError) -> [(name: String, value: EntryNode)] {
        guard case .mapping(let mapping) = node else { throw fault("must be a mapping of fields") }
        var members: [(name: String, value: EntryNode)] = []
        for (key, value) in mapping {
            guard case .scalar(let name) = key else { throw fault("has a name that is not a word") }
            let path = field.isEmpty ? Self.shown(name.string) : "\(field).\(Self.shown(name.string))"
            // An empty value stands where its name does.
            members.append((name.string, EntryNode(value, field: path, file: file)))
        }
        return members
    }

    func elements() throws(VaultError) -> [EntryNode] {
        guard case .sequence(let values) = node else { throw fault("must be a list") }
        return values.map { EntryNode($0, field: field, file: file) }
    }

    /// Not empty, printable, at most 1,024 characters.
    func text() throws(VaultError) -> String {
        let text = try scalar()
        guard !text.isEmpty else { throw fault("is empty") }
        return text
    }

    /// As ``text()``, but may be empty.
    func scalar() throws(VaultError) -> String {
        guard case .scalar(let scalar) = node else { throw fault("must be one value") }
        let text = scalar.string
        guard text.utf8.count <= 1024,
            text.unicodeScalars.allSatisfy({ !["Cc", "Cf"].contains(Self.category($0)) })
        else { throw fault("is too long or has control characters") }
        return text
    }

    func matching(_ isGood: (String) -> Bool, _ rule: String) throws(VaultError) -> String {
        let text = try text()
        guard isGood(text) else { throw fault(rule) }
        return text
    }

    func bool() throws(VaultError) -> Bool {
        switch try text() {
        case "true": return true
        case "false": return false
        default: throw fault("must be true or false")
        }
    }

    func integer(in range: ClosedRange<Int>) throws(VaultError) -> Int {
        guard let number = Int(try text()), range.contains(number) else {
            throw fault("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func choice<Choice: RawRepresentable<String> & CaseIterable>() throws(VaultError) -> Choice {
        guard let choice = Choice(rawValue: try text()) else {
            throw fault("must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    func duration() throws(VaultError) -> Duration {
        guard let duration = Self.duration(try text()) else {
            throw fault("must be a span such as 60s, 30m, 8h or 60d")
        }
        return duration
    }

    /// Nil for anything but digits and a unit, and for more than 100 years.
    static func duration(_ text: String) -> Duration? {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        guard let unit = text.last.flatMap({ units[$0] }), text.utf8.count <= 10,
            text.dropLast().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(text.dropLast()),
            count > 0
        else { return nil }
        let duration = Duration.seconds(count * unit)
        return duration <= ExpiryReading.longest ? duration : nil
    }

    private static func category(_ scalar: Unicode.Scalar) -> String {
        switch scalar.properties.generalCategory {
        case .control: "Cc"
        case .format: "Cf"
        default: ""
        }
    }
}
