import Foundation
import Synchronization

/// Says how far long work is: a percentage and the time left on a terminal, with `--json` a line of JSON for
/// each tenth. `{"done":0.4,"work":"backup"}` on standard error.
final class ShareProgress: Sendable {
    private let work: String
    private let isJSON: Bool
    private let start = ContinuousClock.now
    private let told = Mutex(-1)

    init(_ work: String, isJSON: Bool) {
        self.work = work
        self.isJSON = isJSON
    }

    /// - Parameter share: 0 to 1.
    func report(_ share: Double) {
        let percent = Int(max(0, min(1, share)) * 100)
        let isNews = told.withLock { told in
            guard isJSON ? percent / 10 > told / 10 || told < 0 : percent != told else { return false }
            told = percent
            return true
        }
        guard isNews else { return }
        guard !isJSON else {
            let line = Shown([.json("done", Double(percent) / 100), .json("work", work)])
            if let text = try? JSONText.encode(line) { Console.note(text) }
            return
        }
        let passed = start.duration(to: .now) / .seconds(1)
        let left = percent >= 5 ? ", \(Int(passed / share * (1 - share)) + 1) s left" : ""
        Console.progress("\(work): \(percent) %" + (percent < 100 ? left : ""))
    }

    /// Clears the line, whatever came of the work.
    func end() {
        if !isJSON { Console.progress("") }
    }
}
