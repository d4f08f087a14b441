import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// The keys in memory that signed the head, one after another, as the entries tell of them.
///
/// An entry announces a key; a later one carries the last signature of that key, over all that came before and the key
/// that follows. Who holds every key that is stored can write another past and sign it, but not make those signatures:
/// a past that begins while a service ran leaves a key without a seal, which is reported. One that begins where none ran
/// is not told apart here: anchors and witnesses do.
struct EpochChain {
    private struct Epoch {
        let key: NoteKey
        let announced: Int64
        let time: VaultInstant
    }

    /// By the id of the key, which over the years may be that of several.
    private var epochs: [UInt32: [Epoch]] = [:]
    /// In order; those at the end that are over are gone.
    private var recent: [Epoch] = []
    /// The entries whose keys sealed.
    private var over: Set<Int64> = []
    /// The newest restore: services of before it went on with a log that is lost.
    private var restored: Int64 = 0
    /// Restores that cut off a service which ran, ascending.
    private(set) var cuts: [Int64] = []
    private var roots: PrefixRoots
    /// The entries before it may have been pruned; 0 when every announcement there ever was is read.
    private let firstKept: Int64
    /// Entries from here on are not proven: seals over them tell nothing.
    private let provenSize: Int64
    private var lastSize: Int64 = 0
    /// From where on the newest keys follow each other without a gap, and up to where they sealed.
    private(set) var sealed: Range<Int64> = 0..<0
    private var chainStart: Int64 = 0

    init(roots: PrefixRoots, firstKept: Int64, provenSize: Int64) {
        self.roots = roots
        self.firstKept = firstKept
        self.provenSize = provenSize
    }

    /// Takes the next entry.
    ///
    /// - Returns: what is wrong with it.
    mutating func take(_ entry: AuditEntry) throws -> [String] {
        if entry.operation == AuditOperation.vaultRestore.rawValue {
            if newestOpen() != nil { cuts.append(entry.index) }
            restored = entry.index
        }
        if !hasOpenEpoch(at: entry.time) { chainStart = entry.index }
        let problem = try entry.seal.flatMap { try judge($0, entry) }
        return [problem, announce(entry)].compactMap(\.self)
    }

    private func isOver(_ epoch: Epoch) -> Bool {
        epoch.announced < restored || over.contains(epoch.announced)
    }

    private mutating func newestOpen() -> Epoch? {
        while let last = recent.last, isOver(last) { recent.removeLast() }
        return recent.last
    }

    private mutating func hasOpenEpoch(at time: VaultInstant) -> Bool {
        newestOpen().map { $0.time >= time.advanced(by: Limits.logEpoch * -2) } ?? false
    }

    private mutating func announce(_ entry: AuditEntry) -> String? {
        guard let text = entry.announcedKey else { return nil }
        guard let key = NoteKey(vkey: text), epochs[key.id]?.contains(where: { $0.key == key }) != true else {
            return "announces a key that is none, or was there before"
        }
        let epoch = Epoch(key: key, announced: entry.index, time: entry.time)
        epochs[key.id, default: []].append(epoch)
        recent.append(epoch)
        return nil
    }

    private mutating func judge(_ seal: String, _ entry: AuditEntry) throws -> String? {
        guard let octets = Base64.decode(seal.utf8), octets.count == 4 + Ed25519.signatureBytes,
            let size = entry.count, size <= entry.index, size >= lastSize
        else { return "carries a seal that is none" }
        lastSize = size
        let id = octets.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let open = (epochs[id] ?? []).filter { !isOver($0) && $0.announced < size }
        guard !open.isEmpty else {
            return firstKept == 0
                ? "carries a seal of a key that no entry before it announces, or that had ended" : nil
        }
        guard size <= provenSize else { return nil }
        guard let root = try roots.root(of: size) else {
            let width = Int64(Limits.tileWidth)
            guard size / width * width < firstKept else {
                return "carries a seal over entries that are not all there"
            }
            over.formUnion(open.map(\.announced))
            return nil
        }
        for epoch in open {
            let text = EpochSeal.text(
                over: Checkpoint(origin: epoch.key.name, size: UInt64(size), root: root),
                next: entry.announcedKey)
            guard Self.isSigned(text, Array(octets.dropFirst(4)), by: epoch.key) else { continue }
            over.insert(epoch.announced)
            sealed = min(chainStart, size)..<size
            return nil
        }
        return """
            carries the seal of a key that is gone, and it is not over the \(size) entries before it and the key \
            that follows
            """
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
        epochs.values.joined().filter { !isOver($0) && $0.time < time }.map(\.announced).sorted()
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
            roots: PrefixRoots(database, scan, tiles), firstKept: max(scan.first, scan.announced),
            provenSize: proven.size)
        for entry in scan.epochs {
            for problem in try chain.take(entry) { report.add(entry: entry.index, problem) }
        }
        report.sealed = chain.sealed
        if let note = try? SignedNote.parse(Array(head.note.utf8)), !chain.agrees(with: note) {
            report.add("head", "has a second signature that is not by the key announced for it")
        }
        if let last = chain.cuts.last {
            report.notes.append(
                "Entry \(last) says that the vault was restored from a backup of a running service. If nobody restored it "
                    + "then, the entries from there on may not be the ones that were written.")
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
