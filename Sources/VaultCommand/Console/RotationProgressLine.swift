import Foundation
import Synchronization
import TokenVault

/// Shows how far a rotation is: one line a phase, with the time left on a terminal.
final class RotationProgressLine: Sendable {
    private let isJSON: Bool
    private let current = Mutex<(phase: String, line: ShareProgress)?>(nil)

    init(isJSON: Bool) { self.isJSON = isJSON }

    func report(_ progress: KeyRotationProgress) {
        let line = current.withLock { current in
            if let known = current, known.phase == progress.phase { return known.line }
            let new = ShareProgress("rotating, \(progress.phase)", isJSON: isJSON)
            current = (progress.phase, new)
            return new
        }
        line.report(progress.total > 0 ? Double(progress.done) / Double(progress.total) : 1)
    }

    func end() { current.withLock { $0?.line.end() } }
}
