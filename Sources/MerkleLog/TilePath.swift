/// Where a tile or a bundle of entries lies below the prefix of a log (C2SP tlog-tiles).
package struct TilePath: Sendable, Equatable {
    /// What the file holds: hashes of a level, or the entries themselves.
    package enum Kind: Sendable, Equatable {
        case hashes(level: Int)
        case entries
    }

    package let kind: Kind
    /// Index of the tile within its level.
    package let index: UInt64
    /// Hashes or entries in it: 1 to 256, the last of which is a full one.
    package let width: Int

    package init(_ kind: Kind, index: UInt64, width: Int) {
        precondition((1...256).contains(width), "a tile is never empty")
        self.kind = kind
        self.index = index
        self.width = width
    }

    /// As `tile/0/x001/x234/067` or `tile/entries/000.p/17`.
    package var text: String { width == 256 ? base : "\(partials)/\(width)" }

    /// The directory that holds the partial ones of this tile.
    package var partials: String { base + ".p" }

    private var base: String {
        let level =
            switch kind {
            case .hashes(let level): String(level)
            case .entries: "entries"
            }
        return "tile/\(level)/\(Self.encode(index))"
    }

    /// Groups of three digits, all but the last marked with an `x`.
    private static func encode(_ index: UInt64) -> String {
        var text = threeDigits(index % 1000)
        var rest = index / 1000
        while rest > 0 {
            text = "x\(threeDigits(rest % 1000))/\(text)"
            rest /= 1000
        }
        return text
    }

    private static func threeDigits(_ value: UInt64) -> String {
        String(repeating: "0", count: 3 - String(value).count) + String(value)
    }
}
