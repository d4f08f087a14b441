import VaultCore

/// Where a tile of hashes or a bundle of entries is below the prefix of a log (C2SP tlog-tiles).
package enum TilePath {
    /// As `tile/0/x001/x234/067` or `tile/entries/000.p/17`.
    ///
    /// - Parameters:
    ///   - level: of hashes; nil for entries.
    ///   - index: of the tile within its level.
    ///   - width: hashes or entries in it, 1 to 256, the last of which is a full one.
    package static func text(level: Int?, index: Int64, width: Int) -> String {
        width == Limits.tileWidth
            ? base(level, index) : "\(partials(level: level, index: index))/\(width)"
    }

    /// The directory that holds the partial ones of a tile.
    package static func partials(level: Int?, index: Int64) -> String { base(level, index) + ".p" }

    /// Groups of three digits, all but the last marked with an `x`.
    private static func base(_ level: Int?, _ index: Int64) -> String {
        var text = threeDigits(index % 1000)
        var rest = index / 1000
        while rest > 0 {
            text = "x\(threeDigits(rest % 1000))/\(text)"
            rest /= 1000
        }
        return "tile/\(level.map(String.init) ?? "entries")/\(text)"
    }

    private static func threeDigits(_ value: Int64) -> String {
        String(repeating: "0", count: 3 - String(value).count) + String(value)
    }
}
