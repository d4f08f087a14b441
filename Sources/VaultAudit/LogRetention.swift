public import VaultCore

/// How much of the log a serving process keeps. The rest is pruned once every anchor covers it, or if there
/// is no anchor, once it was exported as tiles.
public struct LogRetention: Sendable, Equatable {
    /// Younger entries are kept whatever the size: a flood of the log pushes no recent entry out.
    public static let floor = Duration.seconds(30 * 86400)
    /// Keeps 400 days: a year, and time to read it.
    public static let standard = LogRetention(checked: .seconds(400 * 86400), nil)
    /// Keeps everything: nothing is pruned.
    public static let everything = LogRetention(checked: nil, nil)

    /// Older entries are pruned; nil keeps entries of any age.
    public let age: Duration?
    /// About the number of bytes that are kept; the oldest entries beyond it are pruned. Nil sets no limit.
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
