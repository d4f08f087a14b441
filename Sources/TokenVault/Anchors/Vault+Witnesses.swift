import Logging
import MerkleLog
import VaultCore

extension Vault {
    /// Adds a C2SP witness, and has it cosign the newest checkpoint. Whether it did is in the result, and
    /// does not decide whether it is added: who runs it may have to add this log's ``logVerifierKey`` first.
    ///
    /// - Parameters:
    ///   - url: its submission prefix: `https`, or `http` to this machine.
    ///   - key: its verifier key, a C2SP vkey of type 0x04 (cosignature/v1).
    ///   - path: absolute, of a file that gets the newest checkpoint with its cosignature, replaced in one step.
    /// - Throws: ``VaultError/Code/invalidInput``, ``VaultError/Code/alreadyExists`` (the same anchor, or a file that is no
    ///   checkpoint), ``VaultError/Code/unavailable`` where ``VaultOptions/witnesses`` is nil; what keeps the file from
    ///   being made.
    public func addWitness(at url: String, key: String, keptAt path: String? = nil) async throws -> Anchor {
        guard let witnesses else {
            throw VaultError(
                .unavailable, "This program cannot reach witnesses.",
                remedy: "Set the witnesses of the vault's options.")
        }
        guard url.utf8.count <= 1024 else {
            throw VaultError(
                .invalidInput, "The URL of a witness has at most 1024 characters.", remedy: "Check the URL.")
        }
        try witnesses.check(url)
        guard let witnessKey = WitnessKey(vkey: key) else {
            throw VaultError(
                .invalidInput, "This is no verifier key of a witness.",
                remedy:
                    "Give the C2SP vkey that the witness publishes, for cosignature/v1: its third part begins with B."
            )
        }
        guard NoteKey(name: keyring.signer.key.name, publicKey: witnessKey.publicKey) != keyring.signer.key
        else {
            throw VaultError(
                .invalidInput, "This is the log's own key.",
                remedy: "Give the key that the witness publishes.")
        }
        if let path {
            try Self.requirePath(path)
            try await BlockingThread.result { [id] in try KeptCheckpoint(path: path, vault: id).check() }
        }
        return try await addAnchor(
            AnchorRow(
                id: 0, kind: .witness, target: String(url.trimmingSuffix { $0 == "/" }), vaultPath: self.path,
                witnessKey: key, keptAt: path, createdAt: clock.now()))
    }

    /// The newest checkpoint with the cosignatures of all witnesses who gave one. Each is asked now. One that
    /// cosigned another checkpoint than the others, because something was written meanwhile, is asked once
    /// more.
    ///
    /// - Returns: the signed note, and the anchors that did not cosign it.
    public func cosignedCheckpoint() async throws -> (note: String, missing: [Anchor]) {
        var told: [Told] = []
        for _ in 0..<Limits.witnessAttempts {
            told = try await tellAnchors([.witness], isForced: true)
            try await note(told)
            if Set(told.compactMap(\.cosigned?.size)).count <= 1 { break }
        }
        let cosigned = told.compactMap { told in told.cosigned.map { (told.anchor.id, $0) } }
        guard let newest = cosigned.max(by: { $0.1.size < $1.1.size })?.1 else {
            return (try auditCheckpoint(), try anchors().filter { $0.kind == .witness })
        }
        let fitting = cosigned.filter { $0.1.note == newest.note }
        let missing = try anchors().filter { anchor in
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
                try await BlockingThread.result { [id, keyring] in
                    try KeptCheckpoint(path: path, vault: id).keep(newest, signedBy: keyring.signer.key)
                }
            }
            return Told(anchor: row, outcome: .success(newest.size), cosigned: newest)
        } catch { return Told(anchor: row, outcome: .failure(error), cosigned: cosigned) }
    }

    /// For `audit verify`, which says what they answered and fails for nothing else.
    func askWitnesses() async -> [Told] {
        guard let told = try? await tellAnchors([.witness], isForced: true), !told.isEmpty else { return [] }
        do { try await note(told) } catch {
            logger.debug("What witnesses answered could not be noted.", metadata: ["error": "\(error)"])
        }
        return told
    }
}

extension AuditReport {
    mutating func add(_ told: Vault.Told) {
        let name = "anchor \(told.anchor.id) (\(told.anchor.target))"
        // That a file could not be kept says nothing about the log.
        guard case .failure(let error) = told.outcome, told.cosigned == nil else { return }
        switch error as? WitnessObjection {
        case .behind(let told, let size)?:
            add(
                "anchors",
                "\(name) has cosigned \(told) entries, the log has \(size): an older copy is in place of the newest"
            )
        case .differs?:
            add(
                "anchors",
                "\(name) has cosigned a checkpoint that this log does not go on from: another history")
        case nil:
            notes.append("The witness of \(name) vouches for nothing now: \(AnchorTrouble(error).word).")
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
