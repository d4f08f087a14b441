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

    private var epochs: [UInt32: Epoch] = [:]
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
        guard let key = NoteKey(vkey: text), epochs[key.id] == nil else {
            return "announces a key that is none, or was there before"
        }
        epochs[key.id] = Epoch(key: key, announced: entry.index, time: entry.time)
        return nil
    }

    private mutating func judge(_ seal: String, _ entry: AuditEntry) throws -> String? {
        guard let id = Base64.decode(seal.utf8).flatMap({ $0.count == 68 ? Array($0.prefix(4)) : nil }),
            let size = entry.count, size <= entry.index
        else { return "carries a seal that is none" }
        let keyID = id.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard let epoch = epochs[keyID] else {
            return isWhole ? "carries a seal of a key that no entry announces" : nil
        }
        guard !epoch.isSealed, size > epoch.announced else { return "carries a seal of a key that had ended" }
        epochs[keyID]?.isSealed = true
        guard size <= provenSize, let root = try roots.root(of: size) else { return nil }
        let text = Checkpoint(origin: epoch.key.name, size: UInt64(size), root: root).body
        let note = "\(text)\n\(SignedNote.linePrefix)\(epoch.key.name) \(seal)\n"
        guard (try? SignedNote.parse(Array(note.utf8)))?.isSigned(by: epoch.key) == true else {
            return "carries the seal of a key that is gone, and it is not over the \(size) entries before it"
        }
        sealedSize = max(sealedSize, size)
        return nil
    }

    /// Whether each line of the head's note that is of a key announced here is by that key.
    func agrees(with note: SignedNote) -> Bool {
        epochs.values.allSatisfy { epoch in
            !note.signatures.contains { $0.id == epoch.key.id && $0.name == epoch.key.name }
                || note.isSigned(by: epoch.key)
        }
    }

    /// The entries that announced a key before `time` which left no last signature, ascending.
    func unsealed(before time: VaultInstant) -> [Int64] {
        epochs.values.filter { !$0.isSealed && $0.time < time }.map(\.announced).sorted()
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
