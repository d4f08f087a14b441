extension String {
    /// A name from outside as a page shows it: without the characters that turn the direction of text around.
    /// One that is left open in a name turns around what stands behind the name, too: in Chromium it breaks
    /// out of `<bdi>`. And a name reads the same everywhere without them.
    var displayed: String {
        String(String.UnicodeScalarView(unicodeScalars.filter { !Self.isDirectionControl($0) }))
    }

    // Unicode Standard Annex 9, section 2: embeddings, overrides and isolates.
    private static func isDirectionControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
        default: false
        }
    }
}
