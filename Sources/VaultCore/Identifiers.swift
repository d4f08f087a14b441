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

/// Row number of an owner: a user, a client, or the system itself.
public struct OwnerID: Sendable, Hashable, Comparable {
    /// The owner of what belongs to nobody else.
    public static let system = OwnerID(1)
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static func < (left: OwnerID, right: OwnerID) -> Bool { left.rawValue < right.rawValue }
}

/// Row number of a grant; travels inside every token handle.
public struct GrantID: Sendable, Hashable, Comparable {
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static func < (left: GrantID, right: GrantID) -> Bool { left.rawValue < right.rawValue }
}

/// Row number of a provider: somebody who issues tokens to us.
public struct ProviderID: Sendable, Hashable, Comparable {
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static func < (left: ProviderID, right: ProviderID) -> Bool { left.rawValue < right.rawValue }
}

/// Row number of a connection: a grant that a provider gave us.
public struct ConnectionID: Sendable, Hashable, Comparable {
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.rawValue < right.rawValue }
}

extension ProviderID: CustomStringConvertible {
    public var description: String { String(rawValue) }
}

extension ConnectionID: CustomStringConvertible {
    public var description: String { String(rawValue) }
}

extension OwnerID: CustomStringConvertible {
    public var description: String { String(rawValue) }
}

extension GrantID: CustomStringConvertible {
    public var description: String { String(rawValue) }
}
