/// An address of an entry, with variables (`https://{shop}.example.com/token`).
struct AddressPattern {
    /// What stands between the variables.
    private let fixed: [Substring]

    init(_ text: Substring) {
        var fixed: [Substring] = []
        var rest = text
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            fixed.append(rest[..<open])
            rest = rest[rest.index(after: close)...]
        }
        self.fixed = fixed + [rest]
    }

    /// Whether `address` is the text with something, but no slash, in place of every variable.
    func matches(_ address: String) -> Bool {
        guard let first = fixed.first, let last = fixed.last, address.hasPrefix(first) else { return false }
        guard fixed.count > 1 else { return address == first }
        var rest = address.dropFirst(first.count)
        for part in fixed.dropFirst().dropLast() {
            guard let place = rest.dropFirst().firstRange(of: part), isValue(rest[..<place.lowerBound])
            else { return false }
            rest = rest[place.upperBound...]
        }
        return rest.hasSuffix(last) && isValue(rest.dropLast(last.count))
    }

    private func isValue(_ text: Substring) -> Bool { !text.isEmpty && !text.contains("/") }
}
