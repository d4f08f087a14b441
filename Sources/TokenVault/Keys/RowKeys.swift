import VaultCore
import VaultCrypto

/// What tags rows: the current key, and the one before while a rotation still finds rows under it.
struct RowKeys: Sendable {
    let current: TagKey
    let retired: [TagKey]

    init(_ current: TagKey, retired: [TagKey] = []) {
        self.current = current
        self.retired = retired
    }

    /// The tag of a row about to be written.
    func rowTag(over bytes: [UInt8]) -> [UInt8] { current.rowTag(over: bytes) }

    /// Whether a stored tag is the one that these bytes ask for.
    func isTag(_ stored: [UInt8], of bytes: [UInt8]) -> Bool {
        if ConstantTime.equal(stored, current.rowTag(over: bytes)) { return true }
        return retired.contains { ConstantTime.equal(stored, $0.rowTag(over: bytes)) }
    }
}

/// What finds rows by a value: the current key, and those before while a row or a value may still be tagged by them.
struct LookupKeys: Sendable {
    let current: TagKey
    let retired: [TagKey]

    /// The tag of a value about to be written.
    func tag(_ purpose: TagPurpose, of bytes: [UInt8]) -> [UInt8] { current.tag(purpose, of: bytes) }

    /// Every tag under which the value may be found, the current one first.
    func tags(_ purpose: TagPurpose, of bytes: [UInt8]) -> [[UInt8]] {
        [tag(purpose, of: bytes)] + retired.map { $0.tag(purpose, of: bytes) }
    }
}
