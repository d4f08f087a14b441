/// A secret value: a token, a code, a client secret, a passphrase.
///
/// It prints as `<redacted>`, has an empty mirror, is neither `Codable` nor `Equatable`, and has one loud exit,
/// ``withExposed(_:)``. Copy a secret out of a library's `String` at the edge and keep it in here from then on.
/// Key material does not live here but in the guarded memory of `VaultCrypto`.
public struct Secret<Value: Sendable>: Sendable {
    private let value: Value

    public init(_ value: Value) {
        self.value = value
    }

    /// Passes the bare value to `body`. Search for this name to find every place where a secret leaves its wrapper.
    public func withExposed<Result, Failure: Error>(
        _ body: (Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(value)
    }
}

/// Secret octets: the usual form of tokens and client secrets.
public typealias SecretBytes = Secret<[UInt8]>

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Secret where Value == [UInt8] {
    /// Copies the UTF-8 octets out of a library's string.
    public init(copying string: some StringProtocol) {
        self.init(Array(string.utf8))
    }

    /// For what takes a string only: a page, a URL, a header, the terminal.
    package var text: String { withExposed { String(decoding: $0, as: UTF8.self) } }
}
