import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// The throttle by itself: what it counts, what it forgets, how much it keeps.
@Suite struct `The throttle of failures` {
    private let clock = SettableClock()

    private func fail(
        _ throttle: FailureThrottle, _ times: Int, _ name: String = "app", from address: String = "a"
    ) {
        for _ in 0..<times { throttle.failed(name, from: address) }
    }

    @Test func `the first failures cost nothing, each further one doubles the wait up to its end`() {
        let throttle = FailureThrottle(clock: clock)
        fail(throttle, 9)
        #expect(throttle.wait(for: "app", from: "a") == nil)
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            fail(throttle, 1)
            #expect(throttle.wait(for: "app", from: "a") == .seconds(seconds))
            clock.advance(by: .seconds(seconds) - .milliseconds(1))
            #expect(throttle.wait(for: "app", from: "a") == .milliseconds(1))
            clock.advance(by: .milliseconds(1))
            #expect(throttle.wait(for: "app", from: "a") == nil)
        }
        fail(throttle, 10_000)
        #expect(throttle.wait(for: "app", from: "a") == .seconds(300))
    }

    @Test func `neither another subject nor another address is slowed`() {
        let throttle = FailureThrottle(clock: clock)
        fail(throttle, 50)
        #expect(throttle.wait(for: "app", from: "a") != nil)
        #expect(throttle.wait(for: "app", from: "b") == nil)
        #expect(throttle.wait(for: "other", from: "a") == nil)
    }

    @Test func `a success forgets the failures, and so does an hour`() {
        let throttle = FailureThrottle(clock: clock)
        fail(throttle, 9)
        throttle.succeeded("app", from: "a")
        fail(throttle, 9)
        #expect(throttle.wait(for: "app", from: "a") == nil)
        clock.advance(by: .seconds(3601))
        fail(throttle, 9)
        #expect(throttle.wait(for: "app", from: "a") == nil)
        fail(throttle, 1)
        #expect(throttle.wait(for: "app", from: "a") != nil)
    }

    @Test func `a million names take no more room than ten thousand, and free nobody who waits`() {
        let throttle = FailureThrottle(clock: clock)
        fail(throttle, 40, "victim", from: "guesser")
        for number in 0..<100_000 { fail(throttle, 1, "name-\(number)", from: "guesser") }
        #expect(throttle.count <= 10_000)
        #expect(throttle.wait(for: "victim", from: "guesser") == .seconds(300))
        for number in 0..<100_000 { fail(throttle, 1, "app", from: "address-\(number)") }
        #expect(throttle.count <= 10_000)
        #expect(throttle.wait(for: "victim", from: "guesser") == .seconds(300))
    }

    @Test func `a flood of names that wait is bounded too`() {
        var rules = FailureThrottle.Rules()
        rules.allowance = 1
        let throttle = FailureThrottle(rules, clock: clock)
        for number in 0..<50_000 { fail(throttle, 2, "name-\(number)") }
        #expect(throttle.count <= 10_000)
        // Room is still made for who comes new.
        fail(throttle, 3, "late")
        #expect(throttle.wait(for: "late", from: "a") == .seconds(4))
    }

    @Test func `names nobody can have share one place`() {
        let throttle = FailureThrottle(clock: clock)
        for number in 0..<20 { fail(throttle, 1, String(repeating: "x", count: 60_000) + "\(number)") }
        #expect(throttle.count == 1)
    }
}
