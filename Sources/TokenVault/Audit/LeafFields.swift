import VaultCore
import VaultCrypto

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
