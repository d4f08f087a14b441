import PostgresStore
import TestSupport
import Testing
import VaultCore
import VaultStore

@Suite(.bounded) struct `A database that a vault was moved away from takes no more writes` {
    @Test func `of a process that has it open, nor of one that opens it`() throws {
        let scene = try Scene()
        let place = try PostgresPlace(service: scene.service)
        #expect(scene.grow().isCommitted)
        // What was found under the lock spoke against it: all goes on.
        let refused = failure {
            try PostgresStore.moveAway(from: place, rows: 0, logSize: 0, at: Scene.epoch) { _ in
                throw VaultError(.busy, "written")
            }
        }
        #expect((refused as? VaultError)?.code == .busy)
        #expect(scene.grow().isCommitted)
        var seen: Int64 = 0
        try PostgresStore.moveAway(from: place, rows: 0, logSize: 0, at: Scene.epoch) {
            seen = try $0.count("SELECT size FROM audit_head")
        }
        #expect(seen == 2)
        #expect(scene.grow().failure?.code == .unavailable)
        #expect((failure { _ = try scene.other() } as? VaultError)?.code == .unavailable)
        #expect(try scene.size() == 2)
    }
}

@Suite(.bounded) struct `A server's clock that is wrong is seen` {
    /// A machine's clock that is off.
    private struct WrongClock: VaultClock {
        let seconds: Int64
        var name: String { "wrong" }
        func now() -> VaultInstant { SystemClock().now().advanced(by: .seconds(seconds)) }
        func monotonic() -> Duration { SystemClock().monotonic() }
    }

    @Test(arguments: [600, -600]) func `ahead of this machine's, or behind it`(_ seconds: Int64) throws {
        let scene = try Scene()
        let skew = StoreClock(scene.store, WrongClock(seconds: seconds)).skew.components.seconds
        #expect(abs(skew + seconds) <= 30, "\(skew)")
    }
}
