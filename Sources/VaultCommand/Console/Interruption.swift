import Foundation
import Synchronization
import VaultCore

/// How a signal ends a command: what it made for the time of its work goes first, then it dies of the signal. A service
/// that ends gracefully takes the signals over once it works.
enum Interruption {
    private static let number = Atomic<Int32>(0)
    private static let arrival = Arrival()

    /// Called once, before anything is made.
    static func watch() {
        _ = arrival
        Thread.detachNewThread {
            arrival.wait()
            end(by: number.load(ordering: .acquiring))
        }
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let before = signal(number) { number in
                Interruption.number.store(number, ordering: .releasing)
                Interruption.arrival.post()
            }
            // What the caller ignores, as `nohup` does, stays ignored.
            if unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) {
                signal(number, SIG_IGN)
            }
        }
    }

    private static func end(by number: Int32) -> Never {
        // A command in the background may give the terminal back as it was.
        signal(SIGTTOU, SIG_IGN)
        Unfinished.undoAll {
            signal(number, SIG_DFL)
            kill(getpid(), number)
            // The kernel keeps process 1 of a container from dying of a signal.
            _exit(128 + number)
        }
    }
}

/// A semaphore, which a handler of signals may post.
private final class Arrival: @unchecked Sendable {
    // @unchecked: made for use by several threads.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }

    func post() { sem_post(semaphore) }

    func wait() { while sem_wait(semaphore) != 0 {} }
}
