import Foundation
import MerkleLog
import Testing
import TokenVault
import VaultCore
import VaultCrypto

/// Generates and reads `leaf.json`: entries of the log as they are stored and hashed, and octets that are refused.
@Suite struct `Format vectors: leaves` {
    @Test func `the file holds what this code makes`() throws {
        try VectorFile.compare("leaf.json", format: "leaves of the log", Self.generate())
    }

    @Test(.disabled(if: VectorFile.regenerates, "the vectors are being written"))
    func `every leaf is read and written again, or refused, as it says`() throws {
        for vector in try VectorFile.load("leaf.json").vectors {
            let title: Comment = "\(vector["name"] ?? "")"
            let leaf = try #require(vector["leaf"].flatMap(Hex.decode), title)
            let entry = AuditLeaf.decode(leaf)
            let refusal = try Self.refusal(vector, leaf, entry)
            if vector["expect"] == "equal" {
                #expect(refusal == nil, title)
                let members = vector.filter { $0.key.hasPrefix("leaf.") }
                #expect(entry.map(Self.members) == members, title)
                #expect(entry.map(AuditLeaf.encode) == leaf, title)
            } else {
                let computed = vector["why"].flatMap {
                    ["hash", "mark", "commitment"].contains($0) ? $0 : nil
                }
                #expect(refusal == computed ?? "format", title)
                #expect((entry == nil) == (computed == nil), title)
            }
        }
    }

    @Test func `a changed octet is refused or makes another leaf, and a leaf cut short is refused`() throws {
        for leaf in [Self.least, Self.whole].map({ Array($0.utf8) }) {
            for count in leaf.indices { #expect(AuditLeaf.decode(Array(leaf[..<count])) == nil) }
            for (index, bit) in leaf.indices.flatMap({ index in (0..<8).map { (index, $0) } }) {
                var other = leaf
                other[index] ^= 1 << bit
                if let entry = AuditLeaf.decode(other) { #expect(AuditLeaf.encode(entry) == other) }
            }
        }
    }

    /// What is wrong, in the reader's words, but `format` for all that is not an entry. Nil: nothing is.
    private static func refusal(
        _ vector: [String: String], _ leaf: [UInt8], _ entry: AuditEntry?
    ) throws -> String? {
        if MerkleHash.leaf(leaf).description != vector["hash"] { return "hash" }
        guard let entry else { return "format" }
        if let grants = vector["grants"] {
            let marks = try grants.split(separator: " ").map { grant in
                let parts = grant.split(separator: ":")
                let owner = try #require(Hex.decode(parts[0]).flatMap(Pseudonym.init(bytes:)))
                return GrantMark.text(try #require(Int64(parts[1])), of: owner, in: entry.index)
            }
            if marks != entry.grants { return "mark" }
        }
        for (part, commitment) in [("pd", entry.personalCommitment), ("pa", entry.actorCommitment)] {
            guard let data = vector["\(part).data"].flatMap(Hex.decode) else { continue }
            let salt = try #require(vector["\(part).salt"].flatMap(Hex.decode))
            if PersonalData.commitment(to: data, salt: salt) != commitment { return "commitment" }
        }
        return nil
    }

    /// The members that an entry has. Blanks separate the elements of a list, colons those of a row.
    private static func members(_ entry: AuditEntry) -> [String: String] {
        func text(_ number: Int64?) -> String? { number.map { "\($0)" } }
        func list(_ elements: [String?], _ separator: String) -> String? {
            let there = elements.compactMap(\.self)
            return there.isEmpty ? nil : there.joined(separator: separator)
        }
        let rows = entry.rows.map { row in
            list(["\(row.table)", text(row.id), row.hash?.description ?? "null", text(row.previous)], ":")
        }
        let members: [String: String?] = [
            "i": text(entry.index), "t": text(entry.time.millisecondsSince1970),
            "w": text(entry.wall.millisecondsSince1970), "m": text(entry.monotonic), "b": entry.boot,
            "op": entry.operation, "out": entry.outcome, "why": entry.reason, "by": entry.actor,
            "via": entry.channel, "who": entry.subject, "g": text(entry.grant), "n": text(entry.generation),
            "tok": entry.fingerprint, "req": entry.requestID, "count": text(entry.count),
            "gs": list(entry.grants, " "),
            "seq": list([text(entry.creation?.number), text(entry.creation?.previous)], " "),
            "rows": list(rows, " "), "pd": entry.personalCommitment, "pa": entry.actorCommitment,
            "st": entry.stamp,
        ]
        return Dictionary(
            uniqueKeysWithValues: members.compactMap { name, value in value.map { ("leaf.\(name)", $0) } })
    }

    // MARK: Leaves

    private static let alice = "a1" + String(repeating: "00", count: 15)
    private static let bob = "b0" + String(repeating: "0b", count: 15)
    private static let boot = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    private static let hash = SHA256.hash(Array("a row".utf8)).description
    private static let salt = Array(0..<16).map { UInt8($0) }

    /// A leaf with what each has, and further members where they belong.
    private static func leaf(
        index: Int64 = 7, wall: String = "", reason: String = "", _ others: String = ""
    ) -> String {
        #"{"v":1,"i":\#(index),"t":1700000000000\#(wall),"m":86400000,"b":"\#(boot)","op":"token.refresh""#
            + #","out":"ok"\#(reason),"by":"\#(alice)","via":"http"\#(others)}"#
    }

    private static let least = leaf()
    private static let whole = leaf(
        wall: #","w":1699999999000"#, reason: #","why":"a-reason""#,
        #","who":"\#(bob)","g":42,"n":3,"tok":"\#(boot)","req":"r-1","count":2,"gs":["\#(boot)"],"seq":[2,5]"#
            + #","rows":[[4,42,"\#(hash)",5],[3,9,null]],"pd":"\#(hash)","pa":"\#(hash)","st":"\#(boot)""#)

    private static func generate() throws -> [[String: String]] {
        var vectors: [[String: String]] = []
        func vector(_ name: String, _ leaf: [UInt8], _ others: [String: String]) -> [String: String] {
            let own = ["name": name, "leaf": Hex.encode(leaf), "hash": MerkleHash.leaf(leaf).description]
            return own.merging(others) { _, other in other }
        }
        func add(_ name: String, _ leaf: String, _ given: [String: String] = [:]) throws {
            let bytes = Array(leaf.utf8)
            let members = Self.members(try #require(AuditLeaf.decode(bytes), "\(name)"))
            vectors.append(
                vector(name, bytes, given.merging(members) { $1 }.merging(["expect": "equal"]) { $1 }))
        }
        func refuse(_ name: String, _ why: String, _ leaf: [UInt8], _ given: [String: String] = [:]) {
            vectors.append(vector(name, leaf, given.merging(["expect": "integrity", "why": why]) { $1 }))
        }
        func refuse(_ name: String, _ why: String, _ leaf: String, _ given: [String: String] = [:]) {
            refuse(name, why, Array(leaf.utf8), given)
        }
        /// The whole leaf with one part of it in another spelling.
        func refuse(_ name: String, _ why: String, _ part: String, as other: String) throws {
            let parts = whole.components(separatedBy: part)
            guard parts.count == 2 else { throw VaultError(.internalError, "No such part: \(name)") }
            refuse(name, why, parts.joined(separator: other))
        }

        try add("what each has", least)
        try add("every member", whole)
        try add("a wall clock behind the log's time", leaf(wall: #","w":-1"#))
        try add(
            "rows", leaf(#","rows":[[4,42,"\#(hash)"],[4,43,"\#(hash)",0],[65535,-1,null,6],[13,44,null]]"#))
        try add("a first creation", leaf(#","seq":[1]"#))
        try add("a creation after another", leaf(#","seq":[2,0]"#))
        try add(
            "the ends of numbers",
            leaf(
                index: .max, wall: #","w":\#(Int64.min)"#, #","g":\#(Int64.min),"n":0,"count":\#(Int64.max)"#)
        )
        let plain = String(decoding: (0x20...0x7E).filter { $0 != 0x22 && $0 != 0x5C }, as: UTF8.self)
        try add("every character, and an empty text", leaf(reason: #","why":"\#(plain)""#, #","req":"""#))
        let room = Limits.leafBytes - leaf(#","req":"""#).utf8.count
        func filled(_ count: Int) -> String { leaf(#","req":"\#(String(repeating: "r", count: count))""#) }
        try add("as long as a leaf can be", filled(room))
        let marks = try [(alice, Int64(42)), (bob, 42), (bob, 43)].map { owner, grant in
            let pseudonym = try #require(Hex.decode(owner).flatMap(Pseudonym.init(bytes:)))
            return GrantMark.text(grant, of: pseudonym, in: 7)
        }
        let grants = ["grants": "\(alice):42 \(bob):42 \(bob):43"]
        let many = #","gs":["\#(marks.joined(separator: #"",""#))"]"#
        try add("grants of many", leaf(many), grants)
        let name = Array("Alice Æ".utf8)
        let details = try ActorDetails(.person, name: "tokenvault", uid: 0, loginUID: 1000, claimed: "carol")
            .encoded()
        let personal = PersonalData.commitment(to: name, salt: salt)
        let actor = PersonalData.commitment(to: details, salt: salt.reversed())
        let data = [
            "pd.salt": Hex.encode(salt), "pd.data": Hex.encode(name),
            "pa.salt": Hex.encode(salt.reversed()), "pa.data": Hex.encode(details),
        ]
        try add("personal data", leaf(#","pd":"\#(personal)","pa":"\#(actor)""#), data)

        // Well spelled, and not what it is said to be.
        refuse(
            "hashed as a node", "hash", least, ["hash": SHA256.hash(prefix: 1, Array(least.utf8)).description]
        )
        refuse("hashed without a prefix", "hash", least, ["hash": SHA256.hash(Array(least.utf8)).description])
        refuse("marks of another entry", "mark", leaf(index: 8, many), grants)
        refuse(
            "a mark of another grant", "mark", leaf(many), ["grants": "\(alice):41 \(bob):42 \(bob):43"])
        refuse(
            "a mark of another owner", "mark", leaf(many), ["grants": "\(bob):42 \(bob):42 \(bob):43"])
        refuse("a mark left out", "mark", leaf(#","gs":["\#(marks[0])"]"#), grants)
        refuse(
            "the subject's data said to be the actor's", "commitment", leaf(#","pa":"\#(personal)""#), data)
        refuse("no commitment", "commitment", least, data)
        refuse(
            "another salt", "commitment", leaf(#","pd":"\#(personal)","pa":"\#(actor)""#),
            data.merging(["pd.salt": Hex.encode(salt.reversed())]) { $1 })
        refuse(
            "other data", "commitment", leaf(#","pd":"\#(personal)","pa":"\#(actor)""#),
            data.merging(["pd.data": Hex.encode(Array("Alice".utf8))]) { $1 })

        // Which members, and in which order.
        try refuse("another format", "format", #""v":1"#, as: #""v":2"#)
        refuse("without a format", "format", least.replacing(#""v":1,"#, with: ""))
        refuse(
            "the index before the format", "format", least.replacing(#""v":1,"i":7"#, with: #""i":7,"v":1"#))
        try refuse(
            "the wall clock before the time", "order", #""t":1700000000000,"w":1699999999000"#,
            as: #""w":1699999999000,"t":1700000000000"#)
        try refuse("the grant after its generation", "order", #""g":42,"n":3"#, as: #""n":3,"g":42"#)
        try refuse("a stamp before the end", "order", #","req":"r-1""#, as: #","st":"\#(boot)","req":"r-1""#)
        try refuse("a member twice", "order", #""g":42"#, as: #""g":42,"g":42"#)
        try refuse("an unknown member", "unknown member", #""g":42"#, as: #""g":42,"h":42"#)
        refuse("a member after the last", "unknown member", leaf(#","zz":1"#))
        refuse("without an actor", "missing member", least.replacing(#","by":"\#(alice)""#, with: ""))
        refuse("without a monotonic clock", "missing member", least.replacing(#","m":86400000"#, with: ""))

        // Values.
        try refuse("a wall clock that is the time", "wall clock", "1699999999000", as: "1700000000000")
        try refuse("a wall clock after the time", "wall clock", "1699999999000", as: "1700000000001")
        try refuse("no grants", "value", #"["\#(boot)"]"#, as: "[]")
        refuse("no rows", "value", leaf(#","rows":[]"#))
        refuse("null in place of nothing", "value", leaf(#","who":null"#))
        try refuse("a text that should be a number", "value", #""g":42"#, as: #""g":"42""#)
        try refuse("a number that should be a text", "value", #""req":"r-1""#, as: #""req":1"#)
        try refuse("true", "value", #""n":3"#, as: #""n":true"#)
        try refuse("a fraction", "value", #""n":3"#, as: #""n":3.0"#)
        try refuse("an exponent", "value", #""n":3"#, as: #""n":3e0"#)
        try refuse("a number beyond 64 bits", "value", #""n":3"#, as: #""n":9223372036854775808"#)
        try refuse("a number before 64 bits", "value", #""n":3"#, as: #""n":-9223372036854775809"#)
        try refuse("creation 0", "value", "[2,5]", as: "[0]")
        try refuse("a first creation after another", "value", "[2,5]", as: "[1,5]")
        try refuse("a second creation after none", "value", "[2,5]", as: "[2]")
        try refuse("a creation after an entry below 0", "value", "[2,5]", as: "[2,-1]")
        try refuse("a row after an entry below 0", "value", #"",5]"#, as: #"",-1]"#)
        try refuse("a row of five", "value", "[3,9,null]", as: "[3,9,null,5,6]")
        try refuse("a row of two", "value", "[3,9,null]", as: "[3,9]")
        try refuse("null for the entry before", "value", "[3,9,null]", as: "[3,9,null,null]")
        try refuse("a table beyond 16 bits", "value", "[3,9,null]", as: "[65536,9,null]")
        try refuse("a row hash in capitals", "value", #""\#(hash)",5"#, as: #""\#(hash.uppercased())",5"#)
        try refuse("a row hash too short", "value", #""\#(hash)",5"#, as: #""\#(hash.dropLast(2))",5"#)
        try refuse("a row hash too long", "value", #""\#(hash)",5"#, as: #""\#(hash)00",5"#)
        try refuse("a quotation mark in a text", "value", "r-1", as: #"r\"1"#)
        try refuse("a line feed in a text", "value", "r-1", as: #"r\n1"#)
        try refuse("a delete character in a text", "value", "r-1", as: "r\u{7F}1")

        // One spelling of each.
        try refuse("a letter escaped", "spelling", "r-1", as: #"\u0072-1"#)
        try refuse("a solidus escaped", "spelling", "r-1", as: #"r\/1"#)
        try refuse("a name escaped", "spelling", #""g":"#, as: #""\u0067":"#)
        try refuse("minus zero", "spelling", #""n":3"#, as: #""n":-0"#)
        try refuse("a blank after a colon", "spelling", #""g":42"#, as: #""g": 42"#)
        try refuse("a blank in a list", "spelling", "[2,5]", as: "[2, 5]")
        refuse("a line feed at the end", "spelling", whole + "\n")
        refuse("a blank before", "spelling", " " + whole)
        try refuse("a leading zero", "malformed", #""g":42"#, as: #""g":042"#)
        try refuse("a plus sign", "malformed", #""g":42"#, as: #""g":+42"#)
        try refuse("a comma too many", "malformed", "[2,5]", as: "[2,5,]")
        try refuse("a tabulator in a text", "malformed", "r-1", as: "r\t1")
        try refuse("a letter beyond ASCII", "malformed", "r-1", as: "rü1")
        refuse(
            "an octet that is not UTF-8", "malformed",
            leaf(#","req":""#).utf8.dropLast() + [0xFF, 0x22, 0x7D])
        refuse("a byte order mark", "malformed", "\u{FEFF}" + whole)
        refuse("cut short", "malformed", String(whole.dropLast()))
        refuse("something behind", "malformed", whole + "{}")
        refuse("nothing", "malformed", "")
        refuse("a list", "malformed", "[\(least)]")
        refuse("nested without end", "malformed", String(repeating: "[", count: Limits.leafBytes))
        refuse("an octet too long", "length", filled(room + 1))
        return vectors
    }
}
