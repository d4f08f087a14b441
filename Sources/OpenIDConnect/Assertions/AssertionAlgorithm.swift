/// How a client may sign its assertions: `none` and the symmetric algorithms are not in the list.
enum AssertionAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case ps256 = "PS256"
    case es256 = "ES256"
    case edDSA = "EdDSA"
}
