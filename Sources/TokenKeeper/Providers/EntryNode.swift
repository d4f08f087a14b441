import VaultCore
import Yams

/// A file's text becomes a tree, if the text is harmless: bounded, and without what makes a small text a big tree.
enum EntryText {
    private static let longest = 64 * 1024
    /// An entry is three levels deep.
    private static let depth = 8

    static func parse(_ yaml: String, file: String) throws(VaultError) -> EntryNode {
        guard yaml.utf8.count <= longest else {
            throw fault(file, nil, "The file has more than 64 KiB.")
        }
        try refuseExpansion(yaml, file)
        let root: Node?
        do {
            // Not the default, which the environment may change.
            root = try compose(yaml: yaml, .basic, .default, .utf8)
        } catch let error as YamlError {
            throw explained(error, file)
        } catch {
            throw fault(file, nil, "The file is not YAML.")
        }
        guard let root else { throw fault(file, nil, "The file is empty.") }
        return EntryNode(node: root, field: "", file: file)
    }

    static func fault(_ file: String, _ line: Int?, _ what: String) -> VaultError {
        VaultError(
            .invalidInput, "\(file)\(line.map { ", line \($0)" } ?? ""): \(what)",
            remedy: "docs/providers.md lists the fields of an entry.")
    }

    /// Anchors, aliases and deep nesting cost the parser more than their length; no entry needs them. Looked
    /// for in the text, before there is a tree: also in quotes, where a space before helps.
    private static func refuseExpansion(_ yaml: String, _ file: String) throws(VaultError) {
        var open = 0
        let lines = yaml.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            if line.first(where: { !$0.isWhitespace }) == "#" { continue }
            var previous: Character = " "
            for (place, character) in zip(line.indices, line) {
                let next = line[line.index(after: place)...].first
                let starts = previous.isWhitespace || "[{,:-?\u{FEFF}".contains(previous)
                if character == "&" || character == "*", starts, let next, !next.isWhitespace {
                    throw fault(file, index + 1, "Anchors and aliases are not taken.")
                }
                if character == "[" || character == "{" { open += 1 }
                if character == "]" || character == "}" { open -= 1 }
                previous = character
            }
            let dashes = line.split(separator: " ").prefix { $0 == "-" || $0 == "?" }
            guard open <= depth, dashes.count <= depth else {
                throw fault(file, index + 1, "The nesting is too deep.")
            }
        }
    }

    /// The library's errors quote the file: only its words about the grammar are taken over.
    private static func explained(_ error: YamlError, _ file: String) -> VaultError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
            fault(file, mark.line, "This is not YAML: \(problem).")
        case .composer(_, _, let mark, _): fault(file, mark.line, "There must be one document in the file.")
        case .duplicatedKeysInMapping(let names, let context):
            fault(file, context.mark.line, "The field \(EntryNode.shown(names.first ?? "")) is there twice.")
        default: fault(file, nil, "The file is not YAML in UTF-8.")
        }
    }
}

/// A value of an entry that knows where it stands, so that every complaint says file, line and field.
struct EntryNode {
    let node: Node
    let field: String
    let file: String

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
            members.append((name.string, EntryNode(node: value, field: path, file: file)))
        }
        return members
    }

    func elements() throws(VaultError) -> [EntryNode] {
        guard case .sequence(let values) = node else { throw fault("must be a list") }
        return values.map { EntryNode(node: $0, field: field, file: file) }
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
        guard let duration = Duration(spelled: text), duration > .zero else { return nil }
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

extension EntryNode {
    /// One text or a list of them.
    func texts() throws(VaultError) -> [String] {
        guard let elements = try? elements() else { return [try text()] }
        guard (1...16).contains(elements.count) else { throw fault("must have 1 to 16 values") }
        var texts: [String] = []
        for element in elements { texts.append(try element.text()) }
        return texts
    }

    /// Places in a reply: names with dots between them.
    func paths() throws(VaultError) -> [String] {
        let paths = try texts()
        for path in paths {
            let steps = path.split(separator: ".", omittingEmptySubsequences: false)
            guard steps.count <= JSONReader.depth, steps.allSatisfy({ StandardNames.isParameter(String($0)) })
            else {
                throw fault("must be names with dots between them, such as authed_user.access_token")
            }
        }
        return paths
    }

    func dictionary() throws(VaultError) -> [String: String] {
        var dictionary: [String: String] = [:]
        for (name, value) in try members() {
            guard !name.isEmpty, name.utf8.count <= 256 else { throw value.fault("has no proper name") }
            dictionary[name] = try value.text()
        }
        return dictionary
    }

    /// Parameters that are sent as they are; an empty one leaves the standard's out.
    func parameters(without forbidden: Set<String>) throws(VaultError) -> [String: String] {
        var parameters: [String: String] = [:]
        for (name, value) in try members() {
            guard StandardNames.isParameter(name) else { throw value.fault("is not the name of a parameter") }
            let text = try value.scalar()
            guard text.isEmpty || !forbidden.contains(name) else {
                throw value.fault("is not for an entry to set")
            }
            parameters[name] = text
        }
        return parameters
    }

    /// Other names for standard ones, each for one.
    func names(of standard: Set<String>) throws(VaultError) -> [String: String] {
        var names: [String: String] = [:]
        for (name, value) in try members() {
            guard standard.contains(name) else {
                throw value.fault(
                    "is no standard name; there are \(standard.sorted().joined(separator: ", "))")
            }
            names[name] = try value.matching(
                StandardNames.isParameter, "must be printable and without spaces")
        }
        guard Set(names.values).count == names.count else { throw fault("has two of one name") }
        return names
    }

    func headers() throws(VaultError) -> [String: String] {
        var headers: [String: String] = [:]
        for (name, value) in try members() {
            guard StandardNames.isToken(name) else { throw value.fault("is not the name of a header") }
            guard !StandardNames.headers.contains(name.lowercased()) else {
                throw value.fault("is not for an entry to set")
            }
            headers[name] = try value.matching(
                { $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } }, "must be printable ASCII")
        }
        guard Set(headers.keys.map { $0.lowercased() }).count == headers.count else {
            throw fault("has one header twice")
        }
        return headers
    }

    /// A URL that may have variables in it.
    func endpoint() throws(VaultError) -> String {
        let text = try text()
        guard let template = EndpointTemplate(text) else {
            throw fault("has braces that are not a {variable} of lower-case letters, digits and _")
        }
        if let what = EndpointURL.fault(of: template.sample) { throw fault(what) }
        return text
    }
}

/// The fields of a mapping, each taken once; what is left over was misspelt.
struct EntryFields {
    private let node: EntryNode
    private var rest: [(name: String, value: EntryNode)]

    init(_ node: EntryNode) throws(VaultError) {
        self.node = node
        rest = try node.members()
    }

    mutating func take(_ name: String) throws(VaultError) -> EntryNode? {
        guard let index = rest.firstIndex(where: { $0.name == name }) else { return nil }
        return rest.remove(at: index).value
    }

    mutating func require(_ name: String) throws(VaultError) -> EntryNode {
        guard let value = try take(name) else { throw node.fault("needs the field \(name)") }
        return value
    }

    func finish() throws(VaultError) {
        guard let unknown = rest.first else { return }
        throw unknown.value.fault("is not a field of an entry")
    }
}
