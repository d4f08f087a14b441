/// Whose key seals a record.
package enum OwnerKind: Int64, Sendable {
    case system = 1
    case user = 2
    case client = 3
}
