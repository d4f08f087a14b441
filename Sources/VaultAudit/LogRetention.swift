public import VaultCore

/// How much of the log a serving process keeps. What is over it is pruned, once every anchor was told of it, or where there
/// is no anchor, once it was exported as tiles.
public struct LogRetention: Sendable, Equatable {
    /// Younger entries are kept whatever the size: someone who floods the log pushes nothing out that happened lately.
    public static let floor = Duration.seconds(30 * 86400)
    /// 400 days: a year, and time to look at it.
    public static let standard = LogRetention(checked: .seconds(400 * 86400), nil)
    /// Keeps everything: nothing is pruned.
    public static let everything = LogRetention(checked: nil, nil)

    /// Older entries go; nil: none for its age.
    public let age: Duration?
    /// Bytes of entries that are kept, about; the oldest beyond it go. Nil: any number.
    public let size: Int64?

    /// - Throws: ``VaultError/Code/invalidInput`` for an age below ``floor``, or a size that is not positive.
    public init(age: Duration?, size: Int64? = nil) throws(VaultError) {
        guard age ?? Self.floor >= Self.floor, size ?? 1 > 0 else {
            throw VaultError(
                .invalidInput, "The log is kept for 30 days or longer, and in one byte or more.",
                remedy: "Keep it longer.")
        }
        self.init(checked: age, size)
    }

    private init(checked age: Duration?, _ size: Int64?) {
        self.age = age
        self.size = size
    }
}
