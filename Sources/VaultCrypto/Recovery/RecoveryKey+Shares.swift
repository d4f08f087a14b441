public import VaultCore

extension RecoveryKey {
    /// Shares of the private half, any `threshold` of which are it; each split has shares of its own.
    ///
    /// - Throws: `invalidInput` for a threshold below 2 or above `count`, and for more than
    ///   ``VaultCore/Limits/recoveryShares``.
    package func split(threshold: Int, count: Int) throws(VaultError) -> [RecoveryShare] {
        guard threshold >= 2, threshold <= count, count <= Limits.recoveryShares else {
            throw VaultError(
                .invalidInput,
                "A recovery key is split into 2 to \(Limits.recoveryShares) shares, of which 2 or more open it.",
                remedy: "As in: --shares 5 --threshold 3")
        }
        return split(
            coefficients: (1..<threshold).map { _ in .random() }, count: count,
            split: SystemRandom().bytes(8))
    }

    /// The same with everything chosen, for format vectors.
    package func split(coefficients: [GuardedKey], count: Int, split: [UInt8]) -> [RecoveryShare] {
        SecretSharing.split(privateKey, coefficients: coefficients, count: count).enumerated().map {
            RecoveryShare(
                of: self, split: split, threshold: coefficients.count + 1, index: $0 + 1, value: $1)
        }
    }

    /// Puts the key together again.
    ///
    /// - Throws: `invalidInput` (none, one twice, or of different vaults, keys or splits), `locked` (too few),
    ///   `integrity` (they make another key than the one they name).
    public init(combining shares: [RecoveryShare]) throws(VaultError) {
        guard let first = shares.first else {
            throw VaultError(.invalidInput, "No share of a recovery key was given.")
        }
        for share in shares.dropFirst() { try share.check(besides: first) }
        for (position, share) in shares.enumerated()
        where shares[..<position].contains(where: { $0.index == share.index }) {
            throw VaultError(
                .invalidInput, "Share \(share.index) was given twice.",
                remedy: "Give \(first.threshold) different shares.")
        }
        guard shares.count >= first.threshold else {
            throw VaultError(
                .locked, "\(shares.count) of the \(first.threshold) shares needed were given.",
                remedy:
                    "Give \(first.threshold - shares.count) more of recovery key \(Self.id(of: first.publicKey))."
            )
        }
        let enough = shares.prefix(first.threshold)
        self.init(
            vault: first.vault,
            privateKey: SecretSharing.combine(
                enough.map { (UInt8(truncatingIfNeeded: $0.index), $0.value) }))
        guard publicKey == first.publicKey else {
            throw VaultError(
                .integrity,
                "These shares do not make the recovery key that they name: one of them was changed.",
                remedy: "Try other shares.")
        }
    }
}

extension RecoveryShare {
    fileprivate func check(besides first: RecoveryShare) throws(VaultError) {
        func mixed(_ what: String, _ own: String, _ others: String) -> VaultError {
            VaultError(
                .invalidInput,
                "The shares are of two \(what): share \(first.index) of \(others), share \(index) of \(own).",
                remedy: "Give shares of one split of one recovery key.")
        }
        guard vault == first.vault else { throw mixed("vaults", "\(vault)", "\(first.vault)") }
        guard publicKey == first.publicKey else {
            throw mixed("recovery keys", RecoveryKey.id(of: publicKey), RecoveryKey.id(of: first.publicKey))
        }
        guard split == first.split, threshold == first.threshold else {
            throw mixed("splits", Hex.encode(split), Hex.encode(first.split))
        }
    }
}
