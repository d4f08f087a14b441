import MerkleLog
import VaultCore

/// What a witness's reply to `add-checkpoint` says (C2SP tlog-witness).
enum WitnessAnswer: Equatable {
    case cosigned(Cosignature)
    /// It has cosigned a checkpoint of so many entries, and wants the proof from there.
    case conflict(size: UInt64)
    /// The checkpoint is no continuation of what it cosigned.
    case inconsistent
    /// In a word of ``Anchor/trouble``.
    case refused(String)

    /// - Parameter body: the text of the checkpoint that was sent.
    init(_ reply: WitnessReply, on body: String, by key: WitnessKey) {
        switch reply.status {
        // "The signatures MUST be cosignatures from the witness key(s) on the checkpoint": believed once verified.
        case 200:
            self =
                (try? Cosignature.read(reply.body, on: body, by: key)).map(Self.cosigned)
                ?? .refused("unsigned")
        // "If the checkpoint origin is unknown, the witness MUST respond with a 404."
        case 404: self = .refused("unknown")
        // "If none of the signatures verify against a trusted public key, … a 403."
        case 403: self = .refused("untrusted")
        // "The response body MUST consist of the tree size of the latest cosigned checkpoint in decimal, followed by a newline."
        case 409: self = Self.size(reply.body).map(Self.conflict) ?? .refused("garbled")
        // "If the Merkle Consistency Proof doesn't verify, … a 422."
        case 422: self = .inconsistent
        case 429, 500...599: self = .refused("unavailable")
        default: self = .refused("refused")
        }
    }

    private static func size(_ body: [UInt8]) -> UInt64? {
        guard body.last == UInt8(ascii: "\n"), body.count > 1 else { return nil }
        return Checkpoint.size(body.dropLast())
    }
}
