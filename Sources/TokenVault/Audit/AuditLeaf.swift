import MerkleLog
public import VaultCore
package import VaultCrypto

/// A row named by a leaf: what the row's hashed columns were after the change, or that the row is gone.
package struct RowChange: Sendable, Equatable {
    package let table: UInt16
    package let id: Int64
    /// Nil: the row was deleted.
    package let hash: Digest?
    /// The leaf that named the row before; nil: none did, or the one that did deleted it.
    package var previous: Int64?
}

/// One of the grants, connections and consents that were created for an owner, counted from 1 without a gap: who has
/// the last can follow `previous` to the first, and nothing can be kept back.
package struct Creation: Sendable, Equatable {
    package let number: Int64
    /// The entry of the one before; nil for the first.
    package let previous: Int64?
}

/// A grant or connection among those of many people: only with its owner's pseudonym can it be told which.
package enum GrantMark {
    /// SHA-256("tv.many" ‖ pseudonym ‖ index of the entry ‖ number of the grant), its first 16 bytes in hexadecimal.
    package static func text(_ grant: Int64, of owner: Pseudonym, in leaf: Int64) -> String {
        var bytes = Array("tv.many".utf8) + owner.bytes
        bytes.append(bigEndian: leaf)
        bytes.append(bigEndian: grant)
        return Hex.encode(Array(SHA256.hash(bytes).bytes.prefix(16)))
    }
}

/// One entry of the log, decoded. docs/schema.md lists the members of its JSON.
public struct AuditEntry: Sendable {
    public internal(set) var index: Int64 = 0
    /// The wall clock of the machine, as it was read: what people call the time of the entry.
    public internal(set) var wall = VaultInstant(millisecondsSince1970: 0)
    /// The time of the log, which orders entries: the latest that was read until then. It goes back at an
    /// `audit.set-time` alone.
    public internal(set) var time = VaultInstant(millisecondsSince1970: 0)
    /// Milliseconds on the writer's monotonic clock.
    public internal(set) var monotonic: Int64 = 0
    /// The clock that ``monotonic`` was read on: a boot of the machine that wrote it, 32 hexadecimal digits.
    public internal(set) var boot = ""
    public internal(set) var operation = ""
    public internal(set) var outcome = ""
    public internal(set) var reason: String?
    /// Pseudonym of the actor, 32 hexadecimal digits; `anonymous` for a stranger.
    public internal(set) var actor = ""
    /// The person or program behind ``actor``; nil if the entry has no such data, or it does not open.
    public package(set) var actorDetails: ActorDetails?
    public internal(set) var channel = ""
    public internal(set) var subject: String?
    public internal(set) var grant: Int64?
    public internal(set) var generation: Int64?
    /// First 16 bytes of the token's SHA-256, in hexadecimal.
    public internal(set) var fingerprint: String?
    public internal(set) var requestID: String?
    public internal(set) var count: Int64?
    /// Grants and connections of many people, each as a salted hash (``GrantMark``).
    public internal(set) var grants: [String] = []
    /// Of the owner of a grant, connection or consent that was created: the how many-th of its creations this is, and the
    /// entry of the one before.
    package internal(set) var creation: Creation?
    /// SHA-256 over salt and personal data, which lie sealed outside the tree: about the subject, and about the actor.
    public internal(set) var personalCommitment: String?
    public internal(set) var actorCommitment: String?
    /// The stamp of the vault row, 32 hexadecimal digits; only in the last entry of a commit.
    public internal(set) var stamp: String?
    package internal(set) var rows: [RowChange] = []
}

/// Writes leaves: compact JSON, keys in a fixed order, at most ``Limits/leafBytes``.
package enum AuditLeaf {
    static let format = 1

    package static func encode(_ entry: AuditEntry) -> [UInt8] {
        var json = LeafWriter()
        json.member("v", Int64(format))
        json.member("i", entry.index)
        json.member("t", entry.time.millisecondsSince1970)
        json.optional("w", entry.wall == entry.time ? nil : entry.wall.millisecondsSince1970)
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
        json.optional("seq", entry.creation)
        json.optional("rows", entry.rows)
        json.optional("pd", entry.personalCommitment)
        json.optional("pa", entry.actorCommitment)
        json.optional("st", entry.stamp)
        return json.finish()
    }

    /// What may stand in a leaf's strings: printable ASCII that JSON does not escape.
    static func isPlain(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Reads what ``encode(_:)`` wrote, and nothing else: keys out of order or a second spelling are refused.
    package static func decode(_ bytes: [UInt8]) -> AuditEntry? {
        bytes.withUnsafeBytes { LeafFields(reading: $0)?.entry(of: $0) }
    }
}

/// A leaf taken apart where it lies: numbers and row hashes as values, texts as ranges of its bytes.
///
/// Verifying reads every leaf there is; a ``AuditEntry`` with its eight strings would cost more than all its hashes.
package struct LeafFields {
    package typealias Text = Range<Int>

    package let index, time, wall, monotonic: Int64
    package let boot, operation, outcome, actor, channel: Text
    package let reason, subject, fingerprint, requestID: Text?
    package let grant, generation, count: Int64?
    package let grants: [Text]
    package let creation: Creation?
    package let rows: [RowChange]
    package let personalCommitment, actorCommitment: Text?
    let stamp: Text?

    /// Nil unless `bytes` are, octet for octet, what ``AuditLeaf/encode(_:)`` writes of some entry.
    package init?(reading bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Limits.leafBytes else { return nil }
        var json = LeafReader(bytes)
        do {
            index = try json.member(#"{"v":1,"i":"#) { $0.integer() }
            let time = try json.member(#","t":"#) { $0.integer() }
            self.time = time
            // Written where it is not the log's time, which it never passes.
            wall = try json.optional(#","w":"#) { $0.integer().flatMap { $0 < time ? $0 : nil } } ?? time
            monotonic = try json.member(#","m":"#) { $0.integer() }
            boot = try json.member(#","b":"#) { $0.text() }
            operation = try json.member(#","op":"#) { $0.text() }
            outcome = try json.member(#","out":"#) { $0.text() }
            reason = try json.optional(#","why":"#) { $0.text() }
            actor = try json.member(#","by":"#) { $0.text() }
            channel = try json.member(#","via":"#) { $0.text() }
            subject = try json.optional(#","who":"#) { $0.text() }
            grant = try json.optional(#","g":"#) { $0.integer() }
            generation = try json.optional(#","n":"#) { $0.integer() }
            fingerprint = try json.optional(#","tok":"#) { $0.text() }
            requestID = try json.optional(#","req":"#) { $0.text() }
            count = try json.optional(#","count":"#) { $0.integer() }
            grants = try json.optional(#","gs":"#) { $0.list { $0.text() } } ?? []
            creation = try json.optional(#","seq":"#) { $0.creation() }
            rows = try json.optional(#","rows":"#) { $0.list { $0.row() } } ?? []
            personalCommitment = try json.optional(#","pd":"#) { $0.text() }
            actorCommitment = try json.optional(#","pa":"#) { $0.text() }
            stamp = try json.optional(#","st":"#) { $0.text() }
        } catch { return nil }
        guard json.take("}"), json.isAtEnd else { return nil }
    }

    /// The leaf as a value of its own; `bytes` are those it was read from.
    package func entry(of bytes: UnsafeRawBufferPointer) -> AuditEntry {
        func string(_ text: Text) -> String { String(decoding: bytes[text], as: UTF8.self) }
        var entry = AuditEntry()
        entry.index = index
        entry.time = VaultInstant(millisecondsSince1970: time)
        entry.wall = VaultInstant(millisecondsSince1970: wall)
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
        entry.grants = grants.map(string)
        entry.creation = creation
        entry.rows = rows
        entry.personalCommitment = personalCommitment.map(string)
        entry.actorCommitment = actorCommitment.map(string)
        entry.stamp = stamp.map(string)
        return entry
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes of `text` are these.
    package func has(_ bytes: StaticString, at text: LeafFields.Text) -> Bool {
        bytes.withUTF8Buffer { self[text].elementsEqual($0) }
    }
}
