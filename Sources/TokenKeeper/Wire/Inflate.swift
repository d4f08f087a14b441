/// Undoes the compression of a reply (gzip, RFC 1952; zlib, RFC 1950): some servers compress whatever was asked for, and
/// the tokens in it are the only ones there will be.
struct Inflate {
    private enum Malformed: Error { case deflate }

    /// Replies of JSON shrink to a third; what grows more than this was made to.
    private static let ratio = 100

    private let bytes: [UInt8]
    private let limit: Int
    private var index: Int
    private var held: (bits: UInt32, count: Int) = (0, 0)
    private var output: [UInt8] = []

    /// What a body holds. Nil: not compressed, damaged, cut off, followed by anything, or more than `limit`
    /// octets or 100 times itself.
    static func read(_ bytes: [UInt8], limit: Int) -> [UInt8]? {
        guard let start = start(of: bytes) else { return nil }
        var reader = Inflate(bytes: bytes, limit: min(limit, bytes.count * ratio), index: start.index)
        guard (try? reader.blocks()) != nil else { return nil }
        let end = bytes[reader.index...]
        let sum = reader.output.reduce(into: Checksum(isGzip: start.isGzip)) { $0.add($1) }
        return end.elementsEqual(sum.octets(count: reader.output.count)) ? reader.output : nil
    }

    /// Where the first block is.
    private static func start(of bytes: [UInt8]) -> (index: Int, isGzip: Bool)? {
        guard bytes.count > 6 else { return nil }
        // Method 8 is deflate; bit 5 of the second octet wants a dictionary that nobody has.
        if bytes[0] & 0x8F == 0x08, (Int(bytes[0]) << 8 | Int(bytes[1])).isMultiple(of: 31),
            bytes[1] & 0x20 == 0
        {
            return (2, false)
        }
        let flags = bytes[3]
        guard bytes.starts(with: [0x1F, 0x8B, 0x08]), flags & 0xE0 == 0, bytes.count > 18 else { return nil }
        var index = 10
        if flags & 0x04 != 0 { index += 2 + (Int(bytes[10]) | Int(bytes[11]) << 8) }
        // A name and a comment, each with a zero at its end.
        for flag in [0x08, 0x10] as [UInt8] where flags & flag != 0 {
            guard index < bytes.count, let end = bytes[index...].firstIndex(of: 0) else { return nil }
            index = end + 1
        }
        if flags & 0x02 != 0 { index += 2 }
        return index < bytes.count ? (index, true) : nil
    }

    private init(bytes: [UInt8], limit: Int, index: Int) {
        self.bytes = bytes
        self.limit = limit
        self.index = index
    }

    /// RFC 1951 section 3.2.3.
    private mutating func blocks() throws(Malformed) {
        var isLast = false
        while !isLast {
            isLast = try take(1) == 1
            switch try take(2) {
            case 0: try stored()
            case 1: try compressed(Self.fixed.lengths, Self.fixed.distances)
            case 2:
                let codes = try dynamic()
                try compressed(codes.lengths, codes.distances)
            default: throw .deflate
            }
        }
    }

    /// `count` bits, the first the least: 16 at most.
    private mutating func take(_ count: Int) throws(Malformed) -> Int {
        while held.count < count {
            guard index < bytes.count else { throw .deflate }
            held.bits |= UInt32(bytes[index]) << held.count
            held.count += 8
            index += 1
        }
        let value = held.bits & (1 << count - 1)
        held = (held.bits >> count, held.count - count)
        return Int(value)
    }

    private mutating func put(_ octets: some Collection<UInt8>) throws(Malformed) {
        guard output.count + octets.count <= limit else { throw .deflate }
        output += octets
    }

    /// Section 3.2.4.
    private mutating func stored() throws(Malformed) {
        held = (0, 0)
        guard index + 4 <= bytes.count else { throw .deflate }
        let length = Int(bytes[index]) | Int(bytes[index + 1]) << 8
        let complement = Int(bytes[index + 2]) | Int(bytes[index + 3]) << 8
        index += 4
        guard length == complement ^ 0xFFFF, index + length <= bytes.count else { throw .deflate }
        try put(bytes[index..<index + length])
        index += length
    }

    /// Section 3.2.5.
    private mutating func compressed(_ lengths: Code, _ distances: Code) throws(Malformed) {
        while true {
            let symbol = try symbol(of: lengths)
            if symbol < 256 {
                try put(CollectionOfOne(UInt8(symbol)))
                continue
            }
            if symbol == 256 { return }
            guard symbol < 286 else { throw .deflate }
            let length = try Self.lengthBase[symbol - 257] + take(Self.lengthBits[symbol - 257])
            let place = try self.symbol(of: distances)
            guard place < 30 else { throw .deflate }
            let distance = try Self.distanceBase[place] + take(place < 2 ? 0 : place / 2 - 1)
            guard distance <= output.count, output.count + length <= limit else { throw .deflate }
            // It may reach into what it writes.
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
    }

    private mutating func symbol(of code: Code) throws(Malformed) -> Int {
        var (word, first, place) = (0, 0, 0)
        for count in code.counts.dropFirst() {
            word |= try take(1)
            if word < first + count { return code.symbols[place + word - first] }
            place += count
            first = (first + count) << 1
            word <<= 1
        }
        throw .deflate
    }

    /// Section 3.2.7.
    private mutating func dynamic() throws(Malformed) -> (lengths: Code, distances: Code) {
        let (lengthCount, distanceCount, count) = (try take(5) + 257, try take(5) + 1, try take(4) + 4)
        var sizes = [Int](repeating: 0, count: 19)
        for place in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].prefix(count) {
            sizes[place] = try take(3)
        }
        guard let code = Code(sizes) else { throw .deflate }
        sizes = []
        while sizes.count < lengthCount + distanceCount {
            switch try symbol(of: code) {
            case 16:
                guard let last = sizes.last else { throw .deflate }
                sizes += [Int](repeating: last, count: 3 + (try take(2)))
            case 17: sizes += [Int](repeating: 0, count: 3 + (try take(3)))
            case 18: sizes += [Int](repeating: 0, count: 11 + (try take(7)))
            case let size: sizes.append(size)
            }
        }
        guard sizes.count == lengthCount + distanceCount, let lengths = Code(sizes[..<lengthCount]),
            let distances = Code(sizes[lengthCount...])
        else { throw .deflate }
        return (lengths, distances)
    }

    private static let lengthBits = (0..<29).map { $0 < 8 || $0 == 28 ? 0 : $0 / 4 - 1 }
    private static let lengthBase = (0..<29).map {
        $0 < 8 ? $0 + 3 : $0 == 28 ? 258 : (4 + $0 % 4) << ($0 / 4 - 1) + 3
    }
    private static let distanceBase = (0..<30).map { $0 < 2 ? $0 + 1 : (2 + $0 % 2) << ($0 / 2 - 1) + 1 }
    /// Section 3.2.6.
    private static let fixed: (lengths: Code, distances: Code) = (
        Code((0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 }) ?? Code(),
        Code([Int](repeating: 5, count: 30)) ?? Code()
    )
}

/// A prefix code by the lengths of its words (RFC 1951 section 3.2.2).
private struct Code {
    /// How many words there are of each length.
    var counts = [Int](repeating: 0, count: 16)
    /// In the order of their words.
    var symbols: [Int] = []

    init() {}

    /// Nil: more words than there can be.
    init?(_ sizes: some Collection<Int>) {
        for size in sizes where size > 0 { counts[size] += 1 }
        var room = 1
        for count in counts.dropFirst() {
            room = room << 1 - count
            guard room >= 0 else { return nil }
        }
        symbols = sizes.enumerated().filter { $0.element > 0 }
            .sorted { ($0.element, $0.offset) < ($1.element, $1.offset) }.map(\.offset)
    }
}

/// CRC-32 of gzip, Adler-32 of zlib.
private struct Checksum {
    let isGzip: Bool
    private var sum: UInt32
    private var second: UInt32 = 0

    init(isGzip: Bool) {
        self.isGzip = isGzip
        sum = isGzip ? ~0 : 1
    }

    mutating func add(_ octet: UInt8) {
        guard isGzip else {
            sum = (sum + UInt32(octet)) % 65521
            second = (second + sum) % 65521
            return
        }
        sum ^= UInt32(octet)
        for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 0 ? 0 : 0xEDB8_8320) }
    }

    /// As they stand behind the last block, after `count` octets.
    func octets(count: Int) -> [UInt8] {
        guard isGzip else {
            return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: (second << 16 | sum) >> $0) }
        }
        return [~sum, UInt32(truncatingIfNeeded: count)].flatMap { value in
            [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
        }
    }
}
