public import VaultCore
import VaultStore

/// The kind of an anchor.
public enum AnchorKind: String, Sendable, CaseIterable {
    /// A file, best on another file system: holds the newest checkpoint, and is compared when the vault is opened.
    case file
    /// A program of the operator's that reads the checkpoint from its standard input.
    case exec
    /// A C2SP witness, asked by HTTP: it keeps the newest checkpoint that it cosigned, and cosigns only those that go
    /// on from it.
    case witness

    /// The kinds that need no network.
    static let local: Set<AnchorKind> = [.file, .exec]
}

/// A place outside the vault's file that gets new checkpoints, so that a cut or older file is found.
public struct Anchor: Sendable {
    public let id: Int64
    public let kind: AnchorKind
    /// The path of the file or program, or the URL of the witness.
    public let target: String
    /// The verifier key of a witness.
    public let witnessKey: String?
    /// The file that gets the newest checkpoint a witness cosigned.
    public let keptAt: String?
    public let createdAt: VaultInstant
    /// The number of entries of the newest checkpoint that it has; 0 before the first.
    public let size: Int64
    /// The time it got that checkpoint; nil before the first.
    public let anchoredAt: VaultInstant?
    /// The number of failures in a row.
    public let failures: Int64
    /// A word for the last failure: `unreachable`, `denied`, `full`, `hung`, `refused`, `damaged`, `behind`,
    /// `differs`, `foreign`, `moved`, `busy` or `failed`; of witnesses also `unknown`, `untrusted`, `unsigned`, `garbled`,
    /// `tls`, `unavailable`, `pruned` or `unasked`.
    public let trouble: String?
    /// The number of entries that it does not have yet.
    public let lag: Int64
}

/// The reason why an anchor did not get a checkpoint.
struct AnchorTrouble: Error {
    let word: String
    /// What a witness says against this database. It signed nothing, as nothing signs that a file anchor is newer: TLS,
    /// or this machine, vouches for its source.
    let objection: String?

    init(_ word: String, objection: String? = nil) {
        self.word = word
        self.objection = objection
    }

    init(_ error: any Error) {
        if let error = error as? AnchorTrouble {
            self = error
            return
        }
        objection = nil
        switch (error as? VaultError)?.code {
        case .notFound?, .unavailable?: word = "unreachable"
        case .permissionDenied?, .readOnly?: word = "denied"
        case .outOfSpace?: word = "full"
        case .busy?: word = "busy"
        case .denied?: word = "refused"
        case .integrity?: word = "damaged"
        default: word = "failed"
        }
    }
}
