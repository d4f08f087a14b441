import MerkleLog
public import VaultCore
import VaultCrypto

/// A row named by a leaf: what the row's hashed columns were after the change, or that the row is gone.
struct RowChange: Sendable, Equatable {
    let table: UInt16
    let id: Int64
    /// Nil: the row was deleted.
    let hash: Digest?
    /// The leaf that named the row before; nil: none did, or the one that did deleted it.
    let previous: Int64?
}

/// One entry of the log, decoded. docs/schema.md lists the members of its JSON.
public struct AuditEntry: Sendable {
    public internal(set) var index: Int64 = 0
    public internal(set) var time = VaultInstant(millisecondsSince1970: 0)
    /// Milliseconds on the writer's monotonic clock.
    public internal(set) var monotonic: Int64 = 0
    /// Boot of the machine that wrote it, 32 hexadecimal digits.
    public internal(set) var boot = ""
    public internal(set) var operation = ""
    public internal(set) var outcome = ""
    public internal(set) var reason: String?
    /// Pseudonym of the actor, 32 hexadecimal digits.
    public internal(set) var actor = ""
    public internal(set) var channel = ""
    public internal(set) var subject: String?
    public internal(set) var grant: Int64?
    public internal(set) var generation: Int64?
    /// First 16 bytes of the token's SHA-256, in hexadecimal.
    public internal(set) var fingerprint: String?
    public internal(set) var requestID: String?
    public internal(set) var count: Int64?
    public internal(set) var grants: [Int64] = []
    /// SHA-256 over salt and personal data, which lie sealed outside the tree.
    public internal(set) var personalCommitment: String?
    var rows: [RowChange] = []
}

/// Writes leaves: compact JSON, keys in a fixed order, at most ``Limits/leafBytes``.
enum AuditLeaf {
    static let format = 1

    static func encode(_ entry: AuditEntry) -> [UInt8] {
        var json = LeafWriter()
        json.member("v", Int64(format))
        json.member("i", entry.index)
        json.member("t", entry.time.millisecondsSince1970)
        json.member("m", entry.monotonic)
        json.member("b", entry.boot)
        json.member("op", entry.operation)
        json.member("out", entry.outcome)
        json.optional("why", entry.reason)
        json.member("by", entry.actor)
        json.member("via", entry.channel)
        json.optional("who", entry.subject)
        json.optional("g", entry.grant)
        json.optional("n", entry.generation)
        json.optional("tok", entry.fingerprint)
        json.optional("req", entry.requestID)
        json.optional("count", entry.count)
        json.optional("gs", entry.grants)
        json.optional("rows", entry.rows)
        json.optional("pd", entry.personalCommitment)
        return json.finish()
    }

    /// What may stand in a leaf's strings: printable ASCII that JSON does not escape.
    static func isPlain(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Reads what ``encode(_:)`` wrote, and nothing else: keys out of order or a second spelling are refused.
    static func decode(_ bytes: [UInt8]) -> AuditEntry? {
        bytes.withUnsafeBytes { LeafFields(reading: $0)?.entry(of: $0) }
    }
}

/// A leaf taken apart where it lies: numbers and row hashes as values, texts as ranges of its bytes.
///
/// Verifying reads every leaf there is; a ``AuditEntry`` with its eight strings would cost more than all its hashes.
struct LeafFields {
    typealias Text = Range<Int>

    let index, time, monotonic: Int64
    let boot, operation, outcome, actor, channel: Text
    let reason, subject, fingerprint, requestID: Text?
    let grant, generation, count: Int64?
    let grants: [Int64]
    let rows: [RowChange]
    let personalCommitment: Text?

    /// Nil unless `bytes` are, octet for octet, what ``AuditLeaf/encode(_:)`` writes of some entry.
    init?(reading bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Limits.leafBytes else { return nil }
        var json = LeafReader(bytes)
        guard json.take(#"{"v":1"#), json.take(#","i":"#), let index = json.integer(),
            json.take(#","t":"#), let time = json.integer(),
            json.take(#","m":"#), let monotonic = json.integer(),
            json.take(#","b":"#), let boot = json.text(),
            json.take(#","op":"#), let operation = json.text(),
            json.take(#","out":"#), let outcome = json.text()
        else { return nil }
        self.index = index
        self.time = time
        self.monotonic = monotonic
        self.boot = boot
        self.operation = operation
        self.outcome = outcome
        do {
            reason = try json.optional(#","why":"#) { $0.text() }
            guard json.take(#","by":"#), let actor = json.text(),
                json.take(#","via":"#), let channel = json.text()
            else { return nil }
            self.actor = actor
            self.channel = channel
            subject = try json.optional(#","who":"#) { $0.text() }
            grant = try json.optional(#","g":"#) { $0.integer() }
            generation = try json.optional(#","n":"#) { $0.integer() }
            fingerprint = try json.optional(#","tok":"#) { $0.text() }
            requestID = try json.optional(#","req":"#) { $0.text() }
            count = try json.optional(#","count":"#) { $0.integer() }
            grants = try json.optional(#","gs":"#) { $0.list { $0.integer() } } ?? []
            rows = try json.optional(#","rows":"#) { $0.list { $0.row() } } ?? []
            personalCommitment = try json.optional(#","pd":"#) { $0.text() }
        } catch { return nil }
        guard json.take("}"), json.isAtEnd else { return nil }
    }

    /// The leaf as a value of its own; `bytes` are those it was read from.
    func entry(of bytes: UnsafeRawBufferPointer) -> AuditEntry {
        func string(_ text: Text) -> String { String(decoding: bytes[text], as: UTF8.self) }
        var entry = AuditEntry()
        entry.index = index
        entry.time = VaultInstant(millisecondsSince1970: time)
        entry.monotonic = monotonic
        entry.boot = string(boot)
        entry.operation = string(operation)
        entry.outcome = string(outcome)
        entry.reason = reason.map(string)
        entry.actor = string(actor)
        entry.channel = string(channel)
        entry.subject = subject.map(string)
        entry.grant = grant
        entry.generation = generation
        entry.fingerprint = fingerprint.map(string)
        entry.requestID = requestID.map(string)
        entry.count = count
        entry.grants = grants
        entry.rows = rows
        entry.personalCommitment = personalCommitment.map(string)
        return entry
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes of `text` are these.
    func has(_ bytes: StaticString, at text: LeafFields.Text) -> Bool {
        bytes.withUTF8Buffer { self[text].elementsEqual($0) }
    }
}

/// Reads a leaf's JSON in the one order and spelling in which ``LeafWriter`` writes it. Valid only as long as
/// the bytes stay where they are.
struct LeafReader {
    /// A member that is there has another shape than it may have.
    struct Malformed: Error {}

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    /// Passes over `literal` if it is next.
    mutating func take(_ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        for offset in 0..<count where bytes[position + offset] != literal.utf8Start[offset] { return false }
        position += count
        return true
    }

    /// The value after `key` if that is next; nil, and nothing passed over, if it is not.
    mutating func optional<Value>(
        _ key: StaticString, _ value: (inout LeafReader) -> Value?
    ) throws(Malformed) -> Value? {
        guard take(key) else { return nil }
        guard let value = value(&self) else { throw Malformed() }
        return value
    }

    /// Digits without leading zeros, with a sign where it is needed.
    mutating func integer() -> Int64? {
        let isNegative = take("-")
        let start = position
        var value: Int64 = 0
        while position < bytes.count, case let digit = bytes[position] &- 48, digit < 10 {
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) = scaled.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !carry else { return nil }
            value = next
            position += 1
        }
        // Counted downwards, because the smallest number has no positive counterpart.
        guard position > start, isNegative || value != .min else { return nil }
        guard bytes[start] != 48 || (position == start + 1 && !isNegative) else { return nil }
        return isNegative ? value : -value
    }

    /// Where the characters of a string are.
    mutating func text() -> LeafFields.Text? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count, AuditLeaf.isPlain(bytes[position]) { position += 1 }
        let text = start..<position
        return take("\"") ? text : nil
    }

    /// One element or more.
    mutating func list<Element>(_ one: (inout LeafReader) -> Element?) -> [Element]? {
        guard take("[") else { return nil }
        var elements: [Element] = []
        repeat {
            guard let element = one(&self) else { return nil }
            elements.append(element)
        } while take(",")
        return take("]") ? elements : nil
    }

    mutating func row() -> RowChange? {
        guard take("["), let table = integer(), let number = UInt16(exactly: table), take(","),
            let id = integer(), take(",")
        else { return nil }
        var hash: Digest?
        if !take("null") {
            guard let value = digest() else { return nil }
            hash = value
        }
        var previous: Int64?
        if take(",") {
            guard let value = integer(), value >= 0 else { return nil }
            previous = value
        }
        return take("]") ? RowChange(table: number, id: id, hash: hash, previous: previous) : nil
    }

    /// 64 hexadecimal digits, lower case, in quotes.
    private mutating func digest() -> Digest? {
        let digits = 2 * Digest.byteCount
        guard take("\""), bytes.count - position > digits else { return nil }
        let start = position
        position += digits
        guard take("\"") else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { target in
            for index in 0..<Digest.byteCount {
                guard let high = Self.value(bytes[start + 2 * index]),
                    let low = Self.value(bytes[start + 2 * index + 1])
                else { return nil }
                target[index] = high << 4 | low
            }
            return Digest(loading: UnsafeRawBufferPointer(target))
        }
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 97...102: digit - 87
        default: nil
        }
    }
}

/// Builds a leaf's JSON member by member. Strings are of our own vocabulary (verbs, hexadecimal, request
/// ids); any other character becomes `?`, so that no text from outside can shape the log.
struct LeafWriter {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    init() { bytes.reserveCapacity(512) }

    mutating func member(_ name: StaticString, _ value: Int64) {
        key(name)
        append(value)
    }

    mutating func member(_ name: StaticString, _ value: String) {
        key(name)
        append(value)
    }

    mutating func optional(_ name: StaticString, _ value: Int64?) {
        if let value { member(name, value) }
    }

    mutating func optional(_ name: StaticString, _ value: String?) {
        if let value { member(name, value) }
    }

    mutating func optional(_ name: StaticString, _ values: [Int64]) {
        guard !values.isEmpty else { return }
        key(name)
        list(values) { writer, value in writer.append(value) }
    }

    /// `[table, id, "hash" or null]`, and as a fourth element the leaf that named the row before.
    mutating func optional(_ name: StaticString, _ rows: [RowChange]) {
        guard !rows.isEmpty else { return }
        key(name)
        list(rows) { writer, row in
            writer.bytes.append(UInt8(ascii: "["))
            writer.append(Int64(row.table))
            writer.bytes.append(UInt8(ascii: ","))
            writer.append(row.id)
            writer.bytes.append(UInt8(ascii: ","))
            if let hash = row.hash {
                writer.append(hex: hash.bytes)
            } else {
                writer.bytes += Array("null".utf8)
            }
            if let previous = row.previous {
                writer.bytes.append(UInt8(ascii: ","))
                writer.append(previous)
            }
            writer.bytes.append(UInt8(ascii: "]"))
        }
    }

    consuming func finish() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private mutating func key(_ name: StaticString) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func append(_ value: Int64) {
        bytes.append(contentsOf: String(value).utf8)
    }

    private mutating func append(_ value: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in value.utf8 { bytes.append(AuditLeaf.isPlain(byte) ? byte : UInt8(ascii: "?")) }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func append(hex value: [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: Hex.encode(value).utf8)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func list<Element>(_ elements: [Element], _ one: (inout LeafWriter, Element) -> Void) {
        bytes.append(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            one(&self, element)
        }
        bytes.append(UInt8(ascii: "]"))
    }
}
