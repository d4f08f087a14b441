import GRDB
import MerkleLog
import VaultCore

/// A checkpoint with the line of a witness that cosigned it.
struct CosignedCheckpoint: Sendable {
    let size: Int64
    /// The signed note as the log published it.
    let note: String
    let cosignature: Cosignature
}

/// What a witness says against this database. Nobody signed it, as nobody signed that a file anchor is newer:
/// TLS, or this machine, vouches for who said it.
enum WitnessObjection: Error, Equatable {
    /// It cosigned more entries than there are.
    case behind(told: Int64, database: Int64)
    /// It cosigned another history.
    case differs
}

extension Vault {
    /// Has a witness cosign the newest checkpoint, beginning with what it is known to have.
    ///
    /// - Parameter told: entries of the checkpoint it took last, as far as is known; it says itself if that is wrong.
    /// - Throws: ``WitnessObjection``, ``AnchorTrouble``, storage trouble.
    func cosign(by row: AnchorRow, told: Int64) async throws -> CosignedCheckpoint {
        guard let witnesses else { throw AnchorTrouble("unasked") }
        guard let key = row.witnessKey.flatMap({ WitnessKey(vkey: $0) }) else {
            throw AnchorTrouble("failed")
        }
        let url = row.target + "/add-checkpoint"
        var old: Int64?
        // Another process may tell it of more between two requests; nobody can keep us here by it.
        for _ in 0..<Limits.witnessAttempts {
            // Whoever ends the service waits for one answer at most.
            if Task.isCancelled { break }
            let request = try continuation(from: old, orAtMost: told)
            let reply: WitnessReply
            do throws(WitnessTransportFailure) {
                reply = try await witnesses.post(
                    Array(request.proof.text.utf8), to: url, within: Limits.anchorDeadline)
            } catch { throw AnchorTrouble(error.rawValue) }
            switch WitnessAnswer(reply, on: request.body, by: key) {
            case .cosigned(let cosignature):
                return CosignedCheckpoint(
                    size: request.size, note: request.proof.note, cosignature: cosignature)
            case .refused(let word): throw AnchorTrouble(word)
            case .inconsistent: throw WitnessObjection.differs
            // Equal sizes and other roots: a 409 in earlier versions of the protocol.
            case .conflict(let size)
            where Int64(clamping: size) == request.size && request.old == request.size:
                throw WitnessObjection.differs
            case .conflict(let size): old = Int64(clamping: size)
            }
        }
        throw AnchorTrouble("busy")
    }

    private struct Continuation {
        let old: Int64
        let size: Int64
        /// The text of the checkpoint.
        let body: String
        let proof: ProofText
    }

    /// The newest checkpoint and the proof that it goes on from `old` entries. Of each request its own
    /// snapshot: what a witness has by now was committed before it was told.
    ///
    /// - Parameter old: what the witness says it has; nil: take `guess`.
    private func continuation(from old: Int64?, orAtMost guess: Int64) throws -> Continuation {
        // What is thrown inside of a snapshot is taken for storage trouble.
        let result: Result<Continuation, any Error> = try snapshot { database, _ in
            let head = try LogHead.read(database)
            if let old, old > head.size {
                return .failure(WitnessObjection.behind(told: old, database: head.size))
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
            return .success(Continuation(old: start, size: head.size, body: note.text, proof: proof))
        }
        return try result.get()
    }
}
