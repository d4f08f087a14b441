import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// The keys in memory that signed the head, one after another, as the entries tell of them.
///
/// An entry announces a key; a later one carries the last signature of that key, over all that came before. Who holds
/// every key that is stored can write another past and sign it, but not make those signatures: they would have to go,
/// and a key without a seal is reported.
struct EpochChain {
    private struct Epoch {
        let key: NoteKey
        let announced: Int64
        let time: VaultInstant
        var isSealed = false
    }

    /// By the id of the key, which over the years may be that of several.
    private var epochs: [UInt32: [Epoch]] = [:]
    private var roots: PrefixRoots
    /// Whether every announcement there ever was has been read.
    private let isWhole: Bool
    /// Entries from here on are not proven: seals over them tell nothing.
    private let provenSize: Int64
    /// Size of the log at the newest seal that fits.
    private(set) var sealedSize: Int64 = 0

    init(roots: PrefixRoots, isWhole: Bool, provenSize: Int64) {
        self.roots = roots
        self.isWhole = isWhole
        self.provenSize = provenSize
    }

    /// Takes the next entry.
    ///
    /// - Returns: what is wrong with it.
    mutating func take(_ entry: AuditEntry) throws -> [String] {
        let problem = try entry.seal.flatMap { try judge($0, entry) }
        return [problem, announce(entry)].compactMap(\.self)
    }

    private mutating func announce(_ entry: AuditEntry) -> String? {
        guard let text = entry.announcedKey else { return nil }
        guard let key = NoteKey(vkey: text), epochs[key.id]?.contains(where: { $0.key == key }) != true else {
            return "announces a key that is none, or was there before"
        }
        epochs[key.id, default: []].append(Epoch(key: key, announced: entry.index, time: entry.time))
        return nil
    }

    private mutating func judge(_ seal: String, _ entry: AuditEntry) throws -> String? {
        guard let octets = Base64.decode(seal.utf8), octets.count == 4 + Ed25519.signatureBytes,
            let size = entry.count, size <= entry.index
        else { return "carries a seal that is none" }
        let id = octets.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let known = epochs[id] ?? []
        let open = known.indices.filter { !known[$0].isSealed && known[$0].announced < size }
        guard !open.isEmpty else {
            return isWhole
                ? "carries a seal of a key that no entry before it announces, or that had ended" : nil
        }
        guard size <= provenSize, let root = try roots.root(of: size) else {
            for index in open { epochs[id]?[index].isSealed = true }
            return nil
        }
        for index in open {
            let key = known[index].key
            let text = Checkpoint(origin: key.name, size: UInt64(size), root: root).body
            guard Self.isSigned(text, Array(octets.dropFirst(4)), by: key) else { continue }
            epochs[id]?[index].isSealed = true
            sealedSize = max(sealedSize, size)
            return nil
        }
        return "carries the seal of a key that is gone, and it is not over the \(size) entries before it"
    }

    /// Whether each line of the head's note that is of a key announced here is by that key.
    func agrees(with note: SignedNote) -> Bool {
        note.signatures.allSatisfy { signature in
            let keys = (epochs[signature.id] ?? []).map(\.key).filter { $0.name == signature.name }
            return keys.isEmpty || keys.contains { Self.isSigned(note.text, signature.bytes, by: $0) }
        }
    }

    /// The entries that announced a key before `time` which left no last signature, ascending.
    func unsealed(before time: VaultInstant) -> [Int64] {
        epochs.values.joined().filter { !$0.isSealed && $0.time < time }.map(\.announced).sorted()
    }

    private static func isSigned(_ text: String, _ signature: [UInt8], by key: NoteKey) -> Bool {
        Ed25519.verify(signature: signature, message: Array(text.utf8), publicKey: key.publicKey)
    }
}

extension AuditVerifier {
    mutating func verifyEpochs(
        _ scan: LeafScan, _ tiles: [Int64: Digest], _ proven: ProvenEntries, _ head: StoredHead
    ) throws {
        var chain = EpochChain(
            roots: PrefixRoots(database, scan, tiles), isWhole: scan.first == 0, provenSize: proven.size)
        for entry in scan.epochs {
            for problem in try chain.take(entry) { report.add(entry: entry.index, problem) }
        }
        report.sealedSize = chain.sealedSize
        if let note = try? SignedNote.parse(Array(head.note.utf8)), !chain.agrees(with: note) {
            report.add("head", "has a second signature that is not by the key announced for it")
        }
        let unsealed = chain.unsealed(before: scan.lastTime.advanced(by: Limits.logEpoch * -2))
        guard let last = unsealed.last else { return }
        let (keys, entries) =
            unsealed.count == 1 ? ("1 key", "entry") : ("\(unsealed.count) keys", "the last by entry")
        report.notes.append(
            """
            \(keys) that signed the log from memory ended without a last signature, announced by \(entries) \(last): was \
            a service killed after that entry? If none was, the entries from there on may not be the ones that were \
            written.
            """)
    }
}
