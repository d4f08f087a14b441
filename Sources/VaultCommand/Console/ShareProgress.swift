import Foundation
import Synchronization

/// Says how far long work is: a percentage and the time left on a terminal, with `--json` a line of JSON for
/// each tenth. `{"done":0.4,"work":"backup"}` on standard error.
final class ShareProgress: Sendable {
    private struct State {
        var phase = ""
        var start = ContinuousClock.now
        var told = -1
    }

    private let work: String
    private let isJSON: Bool
    private let state = Mutex(State())

    init(_ work: String, isJSON: Bool) {
        self.work = work
        self.isJSON = isJSON
    }

    /// - Parameters:
    ///   - share: 0 to 1.
    ///   - phase: what is done of the work; each has a share and a time of its own.
    func report(_ share: Double, of phase: String = "") {
        let percent = Int(max(0, min(1, share)) * 100)
        let start: ContinuousClock.Instant? = state.withLock { state in
            if state.phase != phase { state = State(phase: phase) }
            let told = state.told
            guard isJSON ? percent / 10 > told / 10 || told < 0 : percent != told else { return nil }
            state.told = percent
            return state.start
        }
        guard let start else { return }
        let work = phase.isEmpty ? work : "\(work), \(phase)"
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
