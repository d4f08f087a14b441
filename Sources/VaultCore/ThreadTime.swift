/// The processor time of the calling thread: work is paced by it, nothing is judged by it.
package enum ThreadTime {
    package static var now: Duration { MachineClock.thread }
}
