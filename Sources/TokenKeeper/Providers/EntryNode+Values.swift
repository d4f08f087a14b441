import VaultCore

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
