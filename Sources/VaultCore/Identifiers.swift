/// Names a vault: 16 random bytes, part of every AAD and of the log's origin.
public struct VaultID: Sendable, Hashable {
    public static let byteCount = 16
    public let bytes: [UInt8]

    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }
}

extension VaultID: CustomStringConvertible {
    /// 32 lower-case hexadecimal digits.
    public var description: String { Hex.encode(bytes) }
}

/// The number of a row, which names what is in it.
public protocol RowNumber: Sendable, Hashable, Comparable, CustomStringConvertible {
    var rawValue: Int64 { get }
    init(_ rawValue: Int64)
}

extension RowNumber {
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// Row number of an owner: a user, a client, or the system itself.
public struct OwnerID: RowNumber {
    /// The system, which owns what belongs to no client or user.
    public static let system = OwnerID(1)
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }
}

/// Row number of a grant; travels inside every token handle.
public struct GrantID: RowNumber {
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }
}

/// Row number of a provider, which issues tokens to us.
public struct ProviderID: RowNumber {
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }
}

/// Row number of a connection: a grant that a provider gave us.
public struct ConnectionID: RowNumber {
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }
}
