import Logging
import MerkleLog
import TokenVault
public import VaultCore
import VaultStore

/// Carries checkpoints to witnesses: each request once, no redirects, a bounded reply. `ProviderHTTP` has one
/// over the network; without one, a vault's witnesses are not asked.
public protocol WitnessTransport: Sendable {
    /// Refuses what no checkpoint is sent to: anything but `https`, or `http` to this machine, with a host and a path only.
    ///
    /// - Throws: ``VaultError/Code/invalidInput``.
    func check(_ url: String) throws(VaultError)

    /// Posts `body`.
    ///
    /// - Parameter limit: until the last octet of the reply.
    func post(
        _ body: [UInt8], to url: String, within limit: Duration
    ) async throws(WitnessTransportFailure) -> WitnessReply
}

/// The complete answer of a witness.
public struct WitnessReply: Sendable {
    public var status: Int
    /// The body of the answer, at most ``Limits/witnessReplyBytes``.
    public var body: [UInt8]

    public init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

/// The reason why there is no answer; the raw value is the word that operators read.
public enum WitnessTransportFailure: String, Error, Sendable {
    /// No connection could be made, or it was lost.
    case unreachable
    /// The certificate is not that of the host in the URL.
    case tls
    /// There was no complete answer in time.
    case hung
    /// The answer was too long, cut short, or not HTTP.
    case garbled
}

extension VaultAnchors {
    /// Adds a C2SP witness, and has it cosign the newest checkpoint. Whether it did is in the result, and
    /// does not decide whether it is added: who runs it may have to add this log's ``VaultLog/verifierKey`` first.
    ///
    /// - Parameters:
    ///   - url: its submission prefix: `https`, or `http` to this machine.
    ///   - key: its verifier key, a C2SP vkey of type 0x04 (cosignature/v1).
    ///   - path: absolute, of a file that gets the newest checkpoint with its cosignature, replaced in one step.
    /// - Throws: ``VaultError/Code/invalidInput``, ``VaultError/Code/alreadyExists`` (the same anchor, or a file that is no
    ///   checkpoint), ``VaultError/Code/unavailable`` where the vault was opened without a ``WitnessTransport``; what keeps the file from
    ///   being made.
    public func addWitness(at url: String, key: String, keptAt path: String? = nil) async throws -> Anchor {
        guard let witnesses else {
            throw VaultError(
                .unavailable, "This program cannot reach witnesses.",
                remedy: "Set the anchors of the vault's configuration to LogAnchors with a transport.")
        }
        guard url.utf8.count <= 1024 else {
            throw VaultError(
                .invalidInput, "The URL of a witness has at most 1024 characters.", remedy: "Check the URL.")
        }
        try witnesses.check(url)
        guard let witnessKey = NoteKey(vkey: key, kind: .cosignature) else {
            throw VaultError(
                .invalidInput, "This is not a verifier key of a witness.",
                remedy:
                    "Give the C2SP vkey that the witness publishes, for cosignature/v1: its third part begins with B."
            )
        }
        guard
            NoteKey(name: vault.keyring.signer.key.name, publicKey: witnessKey.publicKey)
                != vault.keyring.signer.key
        else {
            throw VaultError(
                .invalidInput, "This is the log's own key.",
                remedy: "Give the key that the witness publishes.")
        }
        if let path {
            try Self.requirePath(path)
            try await BlockingThread.result { try checkKeptCheckpoint(path) }
        }
        return try await add(
            AnchorRow(
                id: 0, kind: .witness, target: String(url.trimmingSuffix { $0 == "/" }),
                vaultPath: vault.path,
                witnessKey: key, keptAt: path, createdAt: vault.clock.now()))
    }

    /// Returns the newest checkpoint with the cosignatures of all witnesses that gave one. Each is asked now. One that
    /// cosigned another checkpoint than the others, because something was written meanwhile, is asked once
    /// more.
    ///
    /// - Returns: the signed note, and the anchors that did not cosign it.
    public func cosignedCheckpoint() async throws -> (note: String, missing: [Anchor]) {
        var told: [Told] = []
        for _ in 0..<Limits.witnessAttempts {
            told = try await tellEach([.witness], isForced: true)
            try await note(told)
            if Set(told.compactMap(\.cosigned?.size)).count <= 1 { break }
        }
        let cosigned = told.compactMap { told in told.cosigned.map { (told.anchor.id, $0) } }
        guard let newest = cosigned.max(by: { $0.1.size < $1.1.size })?.1 else {
            return (try await vault.log.checkpoint(), try await list().filter { $0.kind == .witness })
        }
        let fitting = cosigned.filter { $0.1.note == newest.note }
        let missing = try await list().filter { anchor in
            anchor.kind == .witness && !fitting.contains { $0.0 == anchor.id }
        }
        return (newest.note + fitting.map(\.1.cosignature.line).joined(), missing)
    }

    /// Has a witness cosign the newest checkpoint, and keeps that where it is wanted.
    func ask(_ row: AnchorRow, told: Int64) async -> Told {
        var cosigned: CosignedCheckpoint?
        do {
            let newest = try await cosign(by: row, told: told)
            cosigned = newest
            if let path = row.keptAt {
                try await BlockingThread.result { try keep(newest, at: path) }
            }
            return Told(anchor: row, outcome: .success(newest.size), cosigned: newest)
        } catch { return Told(anchor: row, outcome: .failure(error), cosigned: cosigned) }
    }

    /// For `audit verify`, which says what they answered and fails for nothing else.
    func askWitnesses() async -> [Told] {
        guard let told = try? await tellEach([.witness], isForced: true), !told.isEmpty else { return [] }
        do { try await note(told) } catch {
            vault.logger.debug("What witnesses answered could not be noted.", metadata: ["error": "\(error)"])
        }
        return told
    }
}

/// A checkpoint with the line of a witness that cosigned it.
struct CosignedCheckpoint: Sendable {
    let size: Int64
    /// The signed note as the log published it.
    let note: String
    let cosignature: Cosignature
}

extension VaultAnchors {
    /// Has a witness cosign the newest checkpoint, beginning with what it is known to have.
    ///
    /// - Parameter told: entries of the checkpoint it took last, as far as is known; it says itself if that is wrong.
    /// - Throws: ``AnchorTrouble``, storage trouble.
    func cosign(by row: AnchorRow, told: Int64) async throws -> CosignedCheckpoint {
        guard let witnesses else { throw AnchorTrouble("unasked") }
        guard let key = row.witnessKey.flatMap({ NoteKey(vkey: $0, kind: .cosignature) }) else {
            throw AnchorTrouble("failed")
        }
        let url = row.target + "/add-checkpoint"
        var old: Int64?
        // Another process may tell it of more between two requests; nobody can keep us here by it.
        for _ in 0..<Limits.witnessAttempts {
            // Anyone who ends the service waits for one answer at most.
            if Task.isCancelled { break }
            let request = try await continuation(from: old, orAtMost: told)
            let reply: WitnessReply
            do throws(WitnessTransportFailure) {
                reply = try await witnesses.post(
                    Array(request.proof.text.utf8), to: url, within: Limits.anchorDeadline)
            } catch { throw AnchorTrouble(error.rawValue) }
            // The rules are those of C2SP tlog-witness.
            switch reply.status {
            case 200:
                guard let cosignature = try? Cosignature.read(reply.body, on: request.body, by: key) else {
                    throw AnchorTrouble("unsigned")
                }
                return CosignedCheckpoint(
                    size: request.size, note: request.proof.note, cosignature: cosignature)
            case 403: throw AnchorTrouble("untrusted")
            case 404: throw AnchorTrouble("unknown")
            case 409:
                // It has cosigned a checkpoint of another size, and wants the proof from there.
                guard let size = Self.size(reply.body) else { throw AnchorTrouble("garbled") }
                old = Int64(clamping: size)
                // Equal sizes and other roots: a 409 in earlier versions of the protocol.
                if old == request.size, request.old == request.size { throw Self.otherHistory }
            case 422: throw Self.otherHistory
            case 429, 500...599: throw AnchorTrouble("unavailable")
            default: throw AnchorTrouble("refused")
            }
        }
        throw AnchorTrouble("busy")
    }

    /// A tree size in decimal, followed by a newline.
    private static func size(_ body: [UInt8]) -> UInt64? {
        guard body.last == UInt8(ascii: "\n"), body.count > 1 else { return nil }
        return Checkpoint.size(body.dropLast())
    }

    private static let otherHistory = AnchorTrouble(
        "differs", objection: "has cosigned a checkpoint that this log does not go on from: another history")

    /// The newest checkpoint and the proof that it extends the log of `old` entries. Each request has its
    /// own snapshot: what a witness has was committed before it got it.
    ///
    /// - Parameter old: what the witness says it has; nil: take `guess`.
    /// - Returns: beside the proof, the text of the checkpoint.
    private func continuation(
        from old: Int64?, orAtMost guess: Int64
    ) async throws -> (old: Int64, size: Int64, body: String, proof: ProofText) {
        // What is thrown inside of a snapshot is taken for storage trouble.
        let result: Result<(Int64, Int64, String, ProofText), AnchorTrouble> = try await vault.snapshot {
            database, _ in
            let head = try LogHead.read(database)
            if let old, old > head.size {
                return .failure(
                    AnchorTrouble(
                        "behind",
                        objection:
                            "has cosigned \(old) entries, the log has \(head.size): an older copy is in place of the newest"
                    ))
            }
            let log = StoredLog(database)
            var start = old ?? min(guess, head.size)
            if try start > 0 && !log.keeps(prefix: start) {
                // A guess need not be right: it says what it has.
                guard old == nil else { return .failure(AnchorTrouble("pruned")) }
                start = 0
            }
            let hashes = try MerkleProof.consistency(
                from: UInt64(start), to: head.edge.size, hashes: log.subtrees)
            let proof = ProofText(.consistency(old: UInt64(start)), hashes: hashes, note: head.note)
            let note = try SignedNote.parse(Array(head.note.utf8))
            return .success((start, head.size, note.text, proof))
        }
        return try result.get()
    }
}

extension AuditReport {
    mutating func add(_ told: VaultAnchors.Told) {
        let name = "anchor \(told.anchor.id) (\(told.anchor.target))"
        // That a file could not be kept says nothing about the log.
        guard case .failure(let error) = told.outcome, told.cosigned == nil else { return }
        let trouble = AnchorTrouble(error)
        if let objection = trouble.objection {
            add("anchors", "\(name) \(objection)")
        } else {
            notes.append("The witness of \(name) vouches for nothing now: \(trouble.word).")
        }
    }
}

extension StringProtocol {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
