import TokenVault
import VaultCustody

/// What a rotation of the root key takes when nothing else happens, and what it takes from refreshes while it runs.
struct RotationBenchmark {
    private let store: PopulatedVault
    private let seconds: Double
    private static let callers = 64

    init(_ store: PopulatedVault, _ seconds: Double) {
        self.store = store
        self.seconds = seconds
    }

    func measure(into report: inout Report) async throws {
        let copy = try store.copy()
        defer { copy.remove() }
        let vault = try await copy.vault.open()
        let start = ContinuousClock.now
        let rotation = try await vault.keys.rotateRoot()
        report.add(
            .rewrapped(grants: store.grants),
            Double(rotation.rewritten) / (start.duration(to: .now) / .seconds(1)))

        let swaps = SwapBenchmark(store, seconds)
        let share = copy.tokenCount / 2
        let alone = try await swaps.swap(vault, copy, tokens: 0..<share, callers: Self.callers)
        report.add(.swapsAlone(grants: store.grants), alone)
        // Rotations for as long as the refreshes last: the last one is cut short, as by an operator.
        let rotations = Task {
            while !Task.isCancelled { _ = try await vault.keys.rotateRoot() }
        }
        let beside = try await swaps.swap(vault, copy, tokens: share..<2 * share, callers: Self.callers)
        rotations.cancel()
        do { try await rotations.value } catch is CancellationError {}
        report.add(.swapsWhileRotating(grants: store.grants), beside)
        _ = try await vault.keys.rotateRoot()
        await vault.close()
    }
}
