package import VaultCrypto

/// The three hashes of an RFC 6962 tree (section 2.1): of nothing, of a leaf, and of two subtrees. Leaves and
/// nodes are hashed with different first octets, so that no leaf can be passed off as a node.
package enum MerkleHash {
    /// The root of a tree without leaves: the hash of the empty string.
    package static let empty = SHA256.hash([])

    /// The hash of a leaf is over its stored octets as they are, without canonicalisation.
    package static func leaf(_ bytes: [UInt8]) -> Digest {
        SHA256.hash(prefix: leafPrefix, bytes)
    }

    /// The same over octets that lie somewhere else, as in a row of the database.
    package static func leaf(raw bytes: UnsafeRawBufferPointer) -> Digest {
        SHA256.hash(prefix: leafPrefix, raw: bytes)
    }

    package static func node(_ left: Digest, _ right: Digest) -> Digest {
        SHA256.hash(prefix: nodePrefix, left, right)
    }

    private static let leafPrefix: UInt8 = 0x00
    private static let nodePrefix: UInt8 = 0x01
}

extension UInt64 {
    /// Where RFC 6962 splits a list of this many leaves, two or more: the largest power of two below it.
    var merkleSplit: UInt64 { 1 << UInt64(63 - (self - 1).leadingZeroBitCount) }
}
