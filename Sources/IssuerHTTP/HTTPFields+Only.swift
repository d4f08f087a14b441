import HTTPTypes

extension HTTPFields {
    /// The value of a field that comes once; nil also where it comes more often. The subscript joins all
    /// values, which costs more and can mean something that none of them said.
    func only(_ name: HTTPField.Name) -> String? {
        var value: String?
        for field in self where field.name == name {
            guard value == nil else { return nil }
            value = field.value
        }
        return value
    }
}
